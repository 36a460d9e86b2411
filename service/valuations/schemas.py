"""What valuation runs, data values and surrogates look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.campaigns.schemas import Strict
from service.runs.schemas import RunRead


class ValuationConfiguration(Strict):
    """How to value; the defaults are measured ones."""

    mode: Literal["normalized"] = "normalized"
    epochs: int | None = Field(None, ge=10, le=5000, description="Null: the default of the method.")
    ensemble: int = Field(8, ge=2, le=64, description="Members trained in one pass.")


class ValuationRequest(Strict):
    configuration: ValuationConfiguration = ValuationConfiguration()
    seed: int = Field(0, ge=0, lt=2**32, description="The same seed and data give the same bytes.")


class ValuationRunRead(RunRead):
    pass


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
        description="The side of its label, in robust standard deviations: 0 is typical, -3 fits the others badly."
    )
    value_transport: float = Field(
        description="The side of its features, on the same scale: -3 lies far off the others and the target domain."
    )


class SurrogateRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    valuation_run_id: int
    artefact_sha256: str
    metrics: dict[str, Any]
    created_at: datetime
