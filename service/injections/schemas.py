"""What injections look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.campaigns.schemas import STORABLE, Strict

InjectionReason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), STORABLE
]
MOST_SAMPLES = 1000


class InjectionCreate(Strict):
    """Designs that shall be in the next round that is ranked, whatever their scores."""

    sample_ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=MOST_SAMPLES)
    reason: InjectionReason = Field(description="Why; kept for good.")


class InjectionRead(BaseModel):
    """An injection that stands, or stood until `withdrawn_at`."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    sample_id: int
    reason: str
    actor: str
    created_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None
