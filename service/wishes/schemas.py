"""What wishes look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.campaigns.schemas import STORABLE, Strict
from service.vocabulary import WishKind

WishReason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), STORABLE]
MOST_SAMPLES = 1000


class WishCreate(Strict):
    """Designs that shall be in the next round, or in none."""

    kind: WishKind = Field(
        description="inject: into the next round that is ranked, whatever its score; veto: into none from now on."
    )
    sample_ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=MOST_SAMPLES)
    reason: WishReason = Field(description="Why; kept for good.")


class WishRead(BaseModel):
    """A wish that stands, or stood until `withdrawn_at`."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    sample_id: int
    kind: WishKind
    reason: str
    actor: str
    created_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None
