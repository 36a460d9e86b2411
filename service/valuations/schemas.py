"""What valuation runs, data values and surrogates look like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.campaigns.schemas import STORABLE, Strict
from service.runs.schemas import RunRead
from service.vocabulary import GateOutcome


class ValuationConfiguration(Strict):
    """How to value; the defaults are measured ones."""

    mode: Literal["normalized", "published"] = Field(
        "normalized",
        description="`published` repeats the training loop of arXiv 2412.04158, `normalized` improves on it.",
    )
    epochs: int | None = Field(None, ge=10, le=5000, description="Null: the default of the method.")
    ensemble: int = Field(8, ge=2, le=64, description="Members trained in one pass.")


class ValuationRequest(Strict):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"configuration": {"ensemble": 8}, "seed": 1}}
    )

    configuration: ValuationConfiguration = ValuationConfiguration()
    seed: int = Field(0, ge=0, lt=2**32, description="The same seed and data give the same bytes.")


METRICS = """Figures of the trained surrogates, errors in target units; null while the run has not succeeded.

`measured_on` (holdout, else validation, else out_of_fold), `measured_samples`, `rmse`, `baseline_rmse` (of the mean
predictor) and `r2` of the surrogate that serves; `serving` (in_run, plain or weighted) and `serving_reason`; the
reports `validation` and `out_of_fold` (one per network) and `holdout` (of the serving one: it never chooses);
`trusted_rmse` (out of fold on the `trusted_rows` that do not stand out: it chooses where no validation sample is
labelled); `wrong_label_share` (estimate that the intervals allow for); `rank_stability` (rank correlation of the
data values of two half ensembles, 1 is the same order).

A report: `rows`, `rmse`, `mae`, `q95_error`, `max_error`, `baseline_rmse`; `r2`, `coverage_90` (share of the labels
inside their 90 % interval) and `width_90`, or out of fold `cop` (coefficient of prognosis); and under `load_cases`
the same figures for each, if a feature of the campaign is marked `load_case`."""


class ValuationRunRead(RunRead):
    metrics: dict[str, Any] | None = Field(description=METRICS)


class DataValueRead(BaseModel):
    """The value of one labelled sample: higher is more useful; rank 1 is the most useful."""

    model_config = ConfigDict(from_attributes=True)

    sample_id: int
    external_id: str | None
    value: float
    spread: float
    rank: int
    weight: float = Field(description="Learned weight in the loss; the mean over all samples is 1.")
    value_target_loss: float = Field(
        description="The side of its label: one minus the probability that the label is wrong. "
        "Mode published: how far the target loss moved the weight."
    )
    value_transport: float = Field(
        description="The side of its features: one minus the probability that they are wrong, less where they lie "
        "far from the target domain. Mode published: how far the transport moved the weight."
    )


@dataclass(frozen=True)
class ValuedSample:
    """A sample with its value in one run, for lists and charts."""

    sample_id: int
    external_id: str | None
    source: str
    group: str | None
    target: float | None
    rank: int
    value: float
    spread: float
    value_target_loss: float
    value_transport: float

    @property
    def name(self) -> str:
        """The user's own name of the sample, or its id."""
        return self.external_id or f"sample {self.sample_id}"


class PromotionRequest(Strict):
    """Let a surrogate serve; what the gate holds back needs an override with a reason."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"override": True, "reason": "the holdout has changed"}}
    )

    override: bool = Field(default=False, description="Let it serve although the gate holds it back.")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), STORABLE] = ""

    @model_validator(mode="after")
    def _override_has_reason(self) -> Self:
        if self.override and not self.reason:
            raise ValueError("an override needs a reason: it stands in the history with your name")
        return self


class GateRead(BaseModel):
    """What the gate says about a surrogate; errors (RMSE, target units, lower is better) on shared holdout samples."""

    surrogate_id: int
    present_surrogate_id: int | None
    outcome: GateOutcome
    sentence: str
    shared_samples: int
    rmse: float | None
    present_rmse: float | None
    tolerance: float = Field(description="Share by which the error may exceed that of the present one.")


class PromotionRead(BaseModel):
    """Since when a surrogate serves, and why it may."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    surrogate_id: int
    replaced_surrogate_id: int | None
    outcome: GateOutcome
    comparison: dict[str, Any] = Field(
        description="`shared_samples`, `rmse`, `present_rmse` (target units, null when not compared), `tolerance`."
    )
    actor: str
    reason: str
    created_at: datetime


ASSESSMENT = """Predictions beside labels: `holdout`, `validation` (null without labelled rows) and `out_of_fold` (each
training row predicted by the members that were not trained on it).

Each: `total` rows; `sample_ids`, `label`, `predicted`, `half_width` (of the 90 % interval, null out of fold) and
`load_case` of at most 4,000, evenly spread; `residuals` (load case, or `all`, to `rows`, `mean` and
`quantiles` at 5, 25, 50, 75 and 95 % of predicted minus label, over all rows); `coverage` (`level`, `observed`,
mean `width`; null out of fold). Target units."""


class AssessmentRead(BaseModel):
    surrogate_id: int
    assessment: dict[str, Any] | None = Field(description=ASSESSMENT)


class SurrogateRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    valuation_run_id: int
    artefact_sha256: str
    metrics: dict[str, Any] = Field(description=METRICS)
    created_at: datetime
