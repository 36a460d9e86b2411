"""What a sample looks like from outside, singly and in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from service.campaigns.schemas import STORABLE, Label, Reason, RowId, Strict
from service.vocabulary import SampleStatus, Split

LabelDefinition = Annotated[str, StringConstraints(min_length=1, max_length=64), STORABLE]
JsonObject = Annotated[dict[str, Any], STORABLE]
MOST_VETOES = 1000  # at once


class Measure(Strict):
    """A value that says its unit: refused when the schema means another."""

    value: StrictBool | StrictInt | StrictFloat | StrictStr | None
    unit: str


@dataclass(frozen=True)
class _OneMessage:
    """One complaint in our words, not one per member of the union; without a Python call for each value."""

    message: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            handler(source), custom_error_type="given_value", custom_error_message=self.message
        )


# Strict members: 1 stays a number and "1" a text; a value is never silently read as something else.
FeatureValue = Annotated[
    StrictBool | StrictInt | StrictFloat | StrictStr | None, Field(description="Null when missing.")
]
GivenValue = Annotated[
    FeatureValue | Measure,
    _OneMessage("expects a number, a text, true, false, null, or an object of value and unit"),
]
GivenTarget = Annotated[
    StrictFloat | Measure, _OneMessage("expects a number, or an object of value and unit")
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
    planned_features: dict[str, GivenValue]
    executed_features: dict[str, GivenValue] | None = Field(
        None, description="As run; what is not named was run as planned."
    )
    target: GivenTarget | None = None
    label_definition: LabelDefinition | None = None
    label_details: JsonObject | None = None
    external_id: Label | None = Field(None, description="Your own name of it; unique in the campaign.")
    split: Split = Split.TRAIN
    group: Label | None = Field(None, description="Vehicle platform: splits never cut through a group.")
    provenance: JsonObject = Field(default_factory=dict, description="Where it came from; never a feature.")


class VetoRead(BaseModel):
    """Somebody's standing word that no round may propose the sample."""

    model_config = ConfigDict(from_attributes=True)

    reason: str
    actor: str
    created_at: datetime


class VetoRequest(Strict):
    """No later round shall propose it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "no vehicle left"}})

    reason: Reason = Field(description="Why not; shown with the sample and kept.")


class VetoesRequest(VetoRequest):
    """Several samples of one campaign at once."""

    sample_ids: list[RowId] = Field(min_length=1, max_length=MOST_VETOES)


class SampleRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    external_id: str | None
    repeats_sample_id: int | None = Field(description="The labelled sample whose test this one repeats.")
    veto: VetoRead | None = Field(
        description="The veto that stands, by `:veto`; null: rounds may propose it."
    )
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


class LabelChangeRead(BaseModel):
    """One label that a sample got; the last one is the present one."""

    model_config = ConfigDict(from_attributes=True)

    target: float
    label_definition: str
    label_details: dict[str, Any] | None
    actor: str
    reason: str
    created_at: datetime


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


class BulkAnswer(StrEnum):
    """How much a bulk request is told about its rows."""

    FULL = "full"
    SUMMARY = "summary"


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
