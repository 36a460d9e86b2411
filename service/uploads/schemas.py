"""What an upload looks like from outside."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.samples.schemas import SampleRead


class Occupants(StrEnum):
    """Whose labels become samples; the others stand in the report only."""

    DRIVER = "driver"
    ALL = "all"


class UploadRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    filename: str
    sha256: str
    size_bytes: int
    report: dict[str, Any]
    created_at: datetime


class UploadResult(UploadRead):
    samples: list[SampleRead]
