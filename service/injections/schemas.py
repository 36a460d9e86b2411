"""What injections look like from outside."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.campaigns.schemas import Reason, RowId, Strict

MOST_SAMPLES = 1000


class InjectionCreate(Strict):
    """Designs that shall be in the next round that is ranked, whatever their scores."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"sample_ids": [12], "reason": "the customer asks"}}
    )

    sample_ids: list[RowId] = Field(min_length=1, max_length=MOST_SAMPLES)
    reason: Reason = Field(description="Why; kept for good.")


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
