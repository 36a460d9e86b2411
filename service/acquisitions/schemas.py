"""What acquisition rounds and recommendations look like from outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.campaigns.schemas import STORABLE, Money, Strict
from service.lifecycles import RecommendationStatus
from service.runs.schemas import RunRead
from service.samples.schemas import FeatureValue, GivenTarget, GivenValue, JsonObject, LabelDefinition
from service.vocabulary import Arm, Evidence

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), STORABLE]


class AcquisitionConfiguration(Strict):
    """How to choose."""

    strategy: Literal["variance_reduction", "lcmd", "random"] = "variance_reduction"
    batch_size: int = Field(20, ge=1, le=1000)
    budget: Money | None = Field(None, description="Null: what is left of the campaign's budget.")
    source_budgets: dict[str, Money] = Field(
        default_factory=dict,
        description="Most money per source; a source that is not named has no limit of its own.",
    )
    cost_exponent: float = Field(0.5, ge=0, le=1, description="0: gain only; 1: gain per money.")
    control_fraction: float = Field(0.1, ge=0, le=0.5, description="Share of the batch drawn at random.")
    stored_rows: int = Field(
        1000, ge=0, le=10_000_000, description="How much of the ranking is kept, from its best rank on."
    )


class AcquisitionRequest(Strict):
    configuration: AcquisitionConfiguration = AcquisitionConfiguration()
    seed: int = Field(0, ge=0, lt=2**32)
    surrogate_id: int | None = Field(None, ge=1, description="Null: the campaign's newest.")


class AcquisitionRoundRead(RunRead):
    surrogate_id: int
    pool_size: int | None
    evidence: Evidence = Evidence.NOT_ENOUGH_DATA


class RecommendationRead(BaseModel):
    """One candidate that a round proposes; a higher score is better, rank 1 the best."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    round_id: int
    sample_id: int
    external_id: str | None
    source: str
    planned_features: dict[str, FeatureValue]
    rank: int
    score: float
    components: dict[str, Any]
    reason: str
    arm: Arm
    selection_probability: float | None
    acquisition_cost: Decimal
    currency: str
    lead_time_hours: Decimal
    status: RecommendationStatus
    allowed: list[RecommendationStatus] = Field(description="What it may become now.")
    is_late: bool
    created_at: datetime
    changed_at: datetime | None


class RankedCandidateRead(BaseModel):
    """One line of a ranking: first the batch in its order, then what can be paid by its score, then the rest.

    Score and information are those before any pick; `information` is in the square of the target's unit.
    """

    model_config = ConfigDict(from_attributes=True)

    rank: int
    sample_id: int
    external_id: str | None
    source: str
    score: float
    information: float
    relevance: float
    predicted: float
    predicted_std: float
    eligible: bool = Field(description="False for a design that is pending, labelled or a repetition.")
    affordable: bool = Field(description="Whether the budgets paid this candidate alone.")


class RecommendationChangeRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    from_status: RecommendationStatus | None
    to_status: RecommendationStatus
    actor: str
    reason: str
    created_at: datetime


class RecommendationDetail(RecommendationRead):
    history: list[RecommendationChangeRead]


class Rejection(Strict):
    reason: Reason = Field(description="Why not; kept for good.")


class Note(Strict):
    """An optional word for the history."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), STORABLE] = ""


class Completion(Strict):
    """What was really run and what came out; the sample becomes labelled."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"executed_features": {"impact_speed_kmh": 56.3}, "target": 26.4}},
    )

    target: GivenTarget
    executed_features: dict[str, GivenValue] = Field(
        default_factory=dict, description="What differs from the plan; the rest was run as planned."
    )
    label_definition: LabelDefinition | None = None
    label_details: JsonObject | None = None
    reason: Annotated[str, StringConstraints(max_length=2000), STORABLE] = ""
