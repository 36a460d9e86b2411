"""What the queue of suspicious tests and the decisions about them look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.campaigns.schemas import STORABLE, Strict
from service.samples.schemas import GivenTarget, LabelDefinition
from service.vocabulary import Finding, ReviewDecision

LONGEST_REASON = 2000
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON), STORABLE
]


class ReviewNote(Strict):
    """Why it was decided so."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "Film and log agree."}}
    )

    reason: Reason = Field(
        description="Stands in the history with your name.", examples=["Film and log agree."]
    )


class Correction(ReviewNote):
    """Another label; the present one stays in the history of the sample."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"reason": "Two channels were swapped.", "target": 25.8}},
    )

    target: GivenTarget = Field(description="Target unit, or an object of value and unit.")
    label_definition: LabelDefinition | None = Field(None, description="Null: that of the present label.")


class ReviewRead(BaseModel):
    """One decision about a suspicious test."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    sample_id: int
    valuation_run_id: int
    decision: ReviewDecision
    evidence: dict[str, Any] = Field(
        description="`findings`, `value`, `value_target_loss`, `value_transport` (null when not valued) as they were, "
        "and `target`, the label from then on."
    )
    retest_sample_id: int | None = Field(description="The candidate that repeats the test.")
    actor: str
    reason: str
    created_at: datetime


class FindingRead(BaseModel):
    """One thing that speaks against a test."""

    model_config = ConfigDict(from_attributes=True)

    finding: Finding
    sentence: str


class SuspectRead(BaseModel):
    """A suspicious test that waits for a decision."""

    model_config = ConfigDict(from_attributes=True)

    sample_id: int
    external_id: str | None
    source: str
    group: str | None
    target: float
    label_definition: str | None
    valuation_run_id: int
    rank: int = Field(description="1 is the most valuable sample of the run.")
    value: float
    spread: float
    value_target_loss: float
    value_transport: float
    findings: list[FindingRead]
    last_decision: ReviewRead | None = Field(description="The evidence has changed since.")


class ReviewQueue(BaseModel):
    """Worst first; `total` counts those beyond the limit, too."""

    total: int
    items: list[SuspectRead]
