"""What valuation runs, data values and surrogates look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.campaigns.schemas import Strict
from service.runs.schemas import RunRead


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


class SurrogateRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    valuation_run_id: int
    artefact_sha256: str
    metrics: dict[str, Any] = Field(description=METRICS)
    created_at: datetime
