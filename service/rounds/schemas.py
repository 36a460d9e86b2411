"""What a round looks like from outside, and how one is configured."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.acquisitions.schemas import AcquisitionConfiguration
from service.campaigns.schemas import Money, Name, Strict
from service.lifecycles import RecommendationStatus, RoundEnd, RoundStep
from service.valuations.schemas import ValuationConfiguration

HOURS_PER_WEEK = 7 * 24.0
LONGEST_WAIT_HOURS = 5 * 365 * 24.0
Hours = Annotated[float, Field(ge=0, le=LONGEST_WAIT_HOURS, allow_inf_nan=False)]


class AutoApprove(Strict):
    """Which recommendations are approved without a person: all that is given must hold."""

    sources: list[Name] | None = Field(None, min_length=1, max_length=50, description="Null: every source.")
    most_acquisition_cost: Money | None = Field(None, description="Of one recommendation.")
    least_expected_gain: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Least reduction of the predictive standard deviation on the target domain, in the unit of "
        "the target. The control arm is not measured by it: it would no longer be drawn at random.",
    )
    budget: Money | None = Field(None, description="Most money of one round.")


class RoundConfiguration(Strict):
    """How a round values, ranks, decides and waits."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "acquisition": {"batch_size": 10},
                "auto_approve": {"sources": ["simulation"], "budget": "30000"},
                "decide_within_hours": 24,
                "continue_until_stop": True,
                "stop_at_rmse": 2.0,
            }
        },
    )

    valuation: ValuationConfiguration = ValuationConfiguration()
    acquisition: AcquisitionConfiguration = AcquisitionConfiguration()
    seed: int = Field(0, ge=0, lt=2**32, description="Rounds that follow count on from it.")
    auto_approve: AutoApprove | None = Field(None, description="Null: people decide everything.")
    decide_within_hours: Hours = Field(
        HOURS_PER_WEEK,
        description="What is not decided then expires; 0: at once, what the rules do not approve.",
    )
    collect_within_hours: Hours = Field(
        26 * HOURS_PER_WEEK, description="The round closes then with the results that are there."
    )
    continue_until_stop: bool = Field(
        default=False, description="After the last result the next round follows, until the stop rule holds."
    )
    most_rounds: int = Field(100, ge=1, le=10_000, description="Most rounds in such a row.")
    stop_at_rmse: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Error of the surrogate that is good enough, target unit.",
    )


class RoundRead(BaseModel):
    """Where a round stands; what it waits for follows from `step`."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    number: int = Field(description="In its row: 1, and one more for each that followed by itself.")
    step: RoundStep
    configuration: dict[str, Any]
    schedule_id: int | None
    follows_id: int | None
    valuation_run_id: int | None
    acquisition_round_id: int | None
    decide_by: datetime | None
    collect_by: datetime | None
    closed_reason: RoundEnd | None
    detail: str
    stop_reason: str | None = Field(description="Why no round followed.")
    requested_by: str
    created_at: datetime
    step_since: datetime
    closed_at: datetime | None
    recommendations: dict[RecommendationStatus, int] = {}
