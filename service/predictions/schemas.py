"""What a request for predictions and its answer look like."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.campaigns.schemas import Strict
from service.samples.designs import DesignCreate

MOST_DESIGNS = 10_000


class PredictionSettings(Strict):
    surrogate_id: int | None = Field(None, ge=1, description="Null: the one that serves.")


class PredictionRequest(PredictionSettings):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "designs": [
                    {
                        "source": "full_vehicle",
                        "planned_features": {"impact_speed_kmh": 56.0, "test_mass_kg": 2310},
                    }
                ]
            }
        },
    )

    designs: list[DesignCreate] = Field(min_length=1, max_length=MOST_DESIGNS)


class PredictionRead(BaseModel):
    """What the surrogate expects of one design, in the unit of the target."""

    index: int = Field(description="Of the design in the request, from 0.")
    external_id: str | None
    predicted: float
    predicted_std: float = Field(description="Spread between the networks and noise together.")
    interval_90: tuple[float, float] | None = Field(
        description="Holds 90 % of new labels of designs like the labelled ones; null: too few were labelled to tell."
    )
    outside_support: bool = Field(
        description="Far from every labelled design: the interval promises nothing there."
    )
    support_ratio: float = Field(
        description="Distance to the nearest labelled design over what 99 % of these keep among themselves."
    )
    outside_features: list[str] = Field(description="Features whose value no labelled design reaches.")


class PredictionResult(BaseModel):
    campaign_id: int
    surrogate_id: int
    artefact_sha256: str
    target_unit: str
    predictions: list[PredictionRead]
