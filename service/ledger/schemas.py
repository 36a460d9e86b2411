"""What the regret ledger, the stop rule and the expected benefit look like from outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, Field

from service.campaigns.schemas import StopRule


class ArmResults(BaseModel):
    """How wrong the round's frozen surrogate was at the results of one arm."""

    picks: int
    results: int
    mean_squared_error: float | None = Field(
        description="Squared target units. Control arm: weighted by one over the kept probabilities, so that it "
        "estimates the mean over the pool that was drawn from."
    )


class ArmComparison(BaseModel):
    """Control arm against chosen arm: were the picks where the surrogate had more to learn than elsewhere?"""

    chosen: ArmResults
    control: ArmResults
    injected: ArmResults
    ratio: float | None = Field(
        description="Chosen over control mean squared error; above 1: more to learn there."
    )
    interval: tuple[float, float] | None = Field(
        description="90 %, bootstrap over the results of each arm; null below 5 results in one of them."
    )
    sentence: str


class PredictedGain(BaseModel):
    """What the round promised, in target units."""

    target_sd_before: float | None = Field(description="Mean predictive sd on the target domain.")
    target_sd_after: float | None = Field(description="The same if the whole batch came back.")
    rmse_after: float | None = Field(
        description="The surrogate's RMSE if it falls by the variance that the results so far were to remove."
    )
    gain: float | None = Field(
        description="RMSE of the round's surrogate minus `rmse_after`; higher is better."
    )
    error_at_results: float | None = Field(
        description="Predicted RMSE at the new results, before they came in."
    )


class RealisedGain(BaseModel):
    """What came of it, in target units."""

    rmse_before: float | None = Field(description="Of the round's surrogate.")
    rmse_after: float | None = Field(
        description="Of the first surrogate that learned from the results so far."
    )
    gain: float | None = Field(description="Their difference; higher is better, negative: it became worse.")
    measured_on: str | None
    comparable: bool = Field(description="Both were measured on the same held-out samples.")
    surrogate_id: int | None
    results_learned: int = Field(description="Results of the round that this surrogate was trained on.")
    error_at_results: float | None = Field(description="RMSE of the round's surrogate at the new results.")
    note: str


class Balance(BaseModel):
    """Money and counts of a round, or of all rounds up to one."""

    proposed: int
    results: int
    spent: Decimal = Field(description="Of completed and failed acquisitions.")
    committed: Decimal = Field(description="Of approved, ordered and running ones.")


class RoundLedger(BaseModel):
    """One round: predicted against realised gain, and what it cost."""

    round_id: int
    created_at: datetime
    strategy: str
    surrogate_id: int
    balance: Balance
    predicted: PredictedGain
    realised: RealisedGain
    regret: float | None = Field(
        description="Predicted minus realised gain in target units; lower is better."
    )
    calibration: float | None = Field(
        description="Observed over predicted RMSE at the new results; 1 is honest, above: too sure of itself."
    )
    arms: ArmComparison
    cumulative: Balance
    cumulative_arms: ArmComparison


class ErrorPoint(BaseModel):
    """A surrogate's error, in target units, against the money that was spent when it was trained; lower is better.

    Points are comparable where they were measured alike: on the same held-out samples.
    """

    surrogate_id: int
    valuation_run_id: int
    created_at: datetime
    results: int = Field(description="Results of recommendations that it was trained on.")
    acquisition_cost: Decimal = Field(
        description="Of these results, and of the acquisitions that had failed by then."
    )
    rmse: float
    q95_error: float | None = Field(description="95 % of the absolute errors are below.")
    max_error: float | None
    measured_on: str | None = Field(description="holdout, validation or out_of_fold.")
    measured_samples: int | None


class RegretLedger(BaseModel):
    """All rounds, oldest first; `total` is that of the last one."""

    campaign_id: int
    currency: str
    target_unit: str
    rounds: list[RoundLedger]
    total: Balance
    total_arms: ArmComparison
    error_curve: list[ErrorPoint] = Field(description="Every measured surrogate, oldest first.")
    realised_gain: float | None = Field(
        description="RMSE of the first round's surrogate minus that of the newest; null if not comparable."
    )


class StopState(StrEnum):
    GO_ON = "go_on"
    STOP = "stop"


class StopCheck(BaseModel):
    """One reason to stop; `reached` is null when it cannot be judged or nobody asked."""

    name: str
    reached: bool | None
    sentence: str


class Band(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


class BenefitGauge(BaseModel):
    """How much choosing can help over random picks, by the shape of the surrogate's errors.

    In the benchmark of Holzmueller et al. (JMLR 24(164), 2023) the gain of active learning grows with log RMSE -
    log MAE (R^2 0.76): errors that are alike everywhere leave little to choose, a heavy tail much. `low` up to the
    0.226 of normal errors, `high` above the 0.347 of Laplace errors.
    """

    log_rmse_over_mae: float | None
    band: Band
    sentence: str


class StopRead(BaseModel):
    """Whether to go on, why, and what may still be expected."""

    state: StopState
    reason: str = Field(description="Why to stop, or what has not been reached yet.")
    rule: StopRule
    checks: list[StopCheck]
    benefit: BenefitGauge
