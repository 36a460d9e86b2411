"""What a sample looks like from outside, singly and in bulk."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.campaigns.schemas import Strict
from service.vocabulary import SampleStatus, Split


def _storable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Refuse what a JSON column cannot hold: NaN, infinities and NUL characters."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("contains a number that is not finite: give null instead")
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("contains a NUL character: remove it")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _storable(child)
    return value


Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_storable),
]
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]


class Measure(Strict):
    """A value that says its unit: refused when the schema means another."""

    value: float | int | str | bool | None
    unit: str


# Strict members first: a JSON string is never silently read as a number.
FeatureValue = Annotated[
    bool | int | float | str | None, Field(union_mode="left_to_right", description="Null when missing.")
]


class SampleCreate(Strict):
    """A design; with a `target` it is labelled, without one it is a candidate."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "external_id": "T-1042",
                "source": "full_vehicle",
                "group": "platform-A",
                "planned_features": {"impact_speed_kmh": 56.0, "test_mass_kg": 1810},
                "executed_features": {"impact_speed_kmh": 56.3, "test_mass_kg": 1812},
                "target": 25.8,
            }
        },
    )

    source: Label = Field(description="Name of one of the campaign's sources.")
    planned_features: dict[str, FeatureValue | Measure]
    executed_features: dict[str, FeatureValue | Measure] | None = Field(
        None, description="As run; what is not named was run as planned."
    )
    target: float | Measure | None = None
    label_definition: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    label_details: JsonObject | None = None
    external_id: Label | None = Field(None, description="Your own name of it; unique in the campaign.")
    split: Split = Split.TRAIN
    group: Label | None = Field(None, description="Vehicle platform: splits never cut through a group.")
    provenance: dict[str, Any] = Field(
        default_factory=dict, description="Where it came from; never a feature."
    )


class SampleRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    external_id: str | None
    source: str
    status: SampleStatus
    split: Split
    group: str | None
    planned_features: dict[str, FeatureValue]
    executed_features: dict[str, FeatureValue] | None
    target: float | None
    label_definition: str | None
    label_details: dict[str, Any] | None
    provenance: dict[str, Any]
    created_at: datetime
    labelled_at: datetime | None


class SampleFilter(BaseModel):
    """All that are given must hold."""

    status: SampleStatus | None = None
    split: Split | None = None
    source: str | None = None
    group: str | None = None
    external_id: str | None = None


class OnError(StrEnum):
    """What becomes of the good rows when others are bad."""

    REJECT_ALL = "reject_all"
    KEEP_GOOD = "keep_good"


class RowError(BaseModel):
    pointer: str
    message: str


class RowResult(BaseModel):
    """What became of one row; `row` counts from 0 and leaves a header line out."""

    row: int
    status: Literal["created", "rejected"]
    id: int | None = None
    external_id: str | None = None
    errors: list[RowError] = Field(default_factory=list)


class BulkResult(BaseModel):
    created: int
    rejected: int
    results: list[RowResult]
