"""What a request for scores and its answer look like."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.acquisitions.schemas import AcquisitionConfiguration
from service.campaigns.schemas import Strict
from service.samples.designs import DesignCreate
from service.vocabulary import Arm

MOST_DESIGNS = 5000


class ScoreConfiguration(AcquisitionConfiguration):
    """As of a round, but that nothing is drawn at random unless it is asked for."""

    control_fraction: float = Field(0, ge=0, le=0.5, description="Share of the batch drawn at random.")

    @model_validator(mode="after")
    def _no_samples(self) -> Self:
        if self.injected_sample_ids or self.vetoed_sample_ids:
            raise ValueError("only the posted designs are ranked: no sample can be injected or vetoed")
        return self


class ScoreSettings(Strict):
    configuration: ScoreConfiguration = ScoreConfiguration()
    seed: int = Field(0, ge=0, lt=2**32)
    surrogate_id: int | None = Field(None, ge=1, description="Null: the one that serves.")


class ScoreRequest(ScoreSettings):
    """Designs to rank against what the campaign knows; nothing of them is stored."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "designs": [
                    {
                        "source": "full_vehicle",
                        "planned_features": {"impact_speed_kmh": 56.0, "test_mass_kg": 2310},
                    }
                ],
                "configuration": {"batch_size": 5},
                "seed": 0,
            }
        },
    )

    designs: list[DesignCreate] = Field(min_length=1, max_length=MOST_DESIGNS)


class ScoreRead(BaseModel):
    """One design; a higher score is better, rank 1 the best. Targets are in the unit of the campaign's target."""

    rank: int
    index: int = Field(description="Of the design in the request, from 0.")
    external_id: str | None
    source: str
    in_batch: bool = Field(description="Whether a round would propose it, with these designs as its pool.")
    arm: Arm | None
    score: float = Field(description="Before any pick; the batch, which comes first, is chosen one by one.")
    information: float = Field(
        description="Expected fall of the mean variance on the target domain, unit squared."
    )
    relevance: float
    price_factor: float = Field(description="What the score has for the price: 1 / price^cost_exponent.")
    predicted: float
    predicted_std: float
    interval_90: tuple[float, float] | None = Field(
        description="Null: the surrogate is too old to have intervals."
    )
    acquisition_cost: Decimal
    currency: str
    feasible: bool = Field(description="Whether a round could propose it.")
    reason: str = Field(description="Why it is in the batch, or what keeps it out.")


class ScoreResult(BaseModel):
    """The same designs, data, configuration and seed give the same bytes."""

    campaign_id: int
    surrogate_id: int
    strategy: str
    data_hash: str
    target_sd_before: float
    target_sd_after: float
    scores: list[ScoreRead]


class ScoreWaiting(BaseModel):
    """Not there yet: ask again at `location`."""

    location: str
