"""What an audit event looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class AuditEventRead(BaseModel):
    """One change: who, what, when, to which row, and the fields that it changed before and after it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: datetime
    actor: str = Field(description="Name of who did it.")
    principal_id: str | None = Field(
        description="Stable id of the key or user; null: a worker, a schedule, the command line."
    )
    action: str
    entity: str = Field(description="Kind of the row, such as `sample` or `recommendation`.")
    entity_id: int
    campaign_id: int | None
    request_id: str | None = Field(description="The request behind it, as the logs name it.")
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditOrder(StrEnum):
    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


class AuditFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True)
class AuditFilter:
    """All that are given must hold; `since` is included, `until` is not."""

    campaign_id: int | None = None
    actor: str | None = None
    principal_id: str | None = None
    action: str | None = None
    entity: str | None = None
    entity_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
