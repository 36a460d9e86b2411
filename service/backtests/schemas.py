"""What backtests and the evidence that they give look like from outside."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.campaigns.schemas import Money, Strict
from service.runs.schemas import RunRead
from service.vocabulary import Evidence, Strategy

BatchBudget = Annotated[Money, Field(gt=0)]
# `random` is the comparator of all, `auto` only chooses between the others.
Replayable = Literal[
    Strategy.VARIANCE_REDUCTION,
    Strategy.LCMD,
    Strategy.BAIT,
    Strategy.MAX_DETERMINANT,
    Strategy.KMEANS_PP,
    Strategy.SPACE_FILLING,
    Strategy.TOP_VARIANCE,
    Strategy.LOSSVAL_VALUE,
    Strategy.NEAR_TARGET,
]


class BacktestConfiguration(Strict):
    """What is replayed, and how often. The more strategies, the stricter each verdict: they share the error."""

    strategies: list[Replayable] = Field(
        [Strategy.VARIANCE_REDUCTION, Strategy.LCMD],
        min_length=1,
        description="Each is compared with random picks, which are always replayed.",
    )
    initial: int = Field(50, ge=10, le=10_000, description="Labels that every replay starts with.")
    batch_size: int = Field(10, ge=1, le=1000, description="Labels that a batch adds.")
    rounds: int = Field(5, ge=1, le=50, description="Batches per replay.")
    repeats: int = Field(
        10, ge=5, le=200, description="Replays, each with its own start; fewer than 5 allow no verdict."
    )
    holdout_fraction: float = Field(
        0.2,
        ge=0.05,
        le=0.6,
        description="Share of the labelled samples that only measure, in whole groups. Labelled validation "
        "samples measure instead, where there are 20 or more.",
    )
    budget: BatchBudget | None = Field(None, description="Money per batch; null: no limit.")
    cost_exponent: float = Field(0.5, ge=0, le=1, description="As in a round.")
    label_precision: Literal["lossval", "equal"] = Field(
        "lossval", description="lossval: data values before every batch, as in a round; equal: faster."
    )
    as_bought: bool = Field(
        default=True, description="Also replay the order in which the tests were really bought."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.strategies)) < len(self.strategies):
            raise ValueError("a strategy is named twice: name each once")
        return self


class BacktestRequest(Strict):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "configuration": {"strategies": ["variance_reduction", "lcmd"], "repeats": 10},
                "seed": 1,
            }
        },
    )

    configuration: BacktestConfiguration = BacktestConfiguration()
    seed: int = Field(0, ge=0, lt=2**32, description="The same seed and data give the same report.")


REPORT = """The report; null while it has not succeeded.

`strategies`, one entry each, `as_bought` for the order in which the tests were bought: `verdict`, `sentence`,
`log_ratio` (of its RMSE over random's, mean over repeats and money; negative is better), `interval` (of that, corrected
for the number of strategies: it decides), `bootstrap_interval` (not corrected), `log_ratios` (per repeat), `curve` (per
batch `labels`, `acquisition_cost`, `rmse`, `q95_error`, `max_error` in target units, `rmse_low` and `rmse_high`: 10 and
90 % quantile over the repeats), `labels_saved` and `money_saved` (`amount`, `share`, `interval`, at random's final
error); `random_curve`; `auto`: the strategy that `auto` takes by it,
with its evidence; `verdict`; `reason` (what is needed when there is not enough data); `labelled`, `holdout_rows`,
`groups`, `repeats`, `level`, `configuration`."""


class EvidenceRead(BaseModel):
    """Whether a strategy beat random picks on this campaign's own data."""

    strategy: str
    verdict: Evidence
    sentence: str = Field(description="What every surface says, with the interval.")
    backtest_id: int | None = Field(None, description="Null: none has succeeded yet.")
    log_ratio: float | None = Field(None, description="Log of its RMSE over random's; negative is better.")
    interval: tuple[float, float] | None = Field(None, description="Of the log ratio, corrected.")


class BacktestRead(RunRead):
    metrics: dict[str, Any] | None = Field(description=REPORT)
    evidence: list[EvidenceRead] = Field(
        default_factory=list, description="One per strategy; empty while the backtest has not succeeded."
    )
