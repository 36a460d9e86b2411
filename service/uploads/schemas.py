"""What an upload looks like from outside."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.campaigns.schemas import Label, Strict
from service.lifecycles import UploadStatus
from service.samples.schemas import FeatureValue, GivenValue, LabelDefinition, SampleRead
from service.uploads.reading import Reading
from service.vocabulary import Split


class Occupants(StrEnum):
    """Whose labels become samples; the others stand in the report only."""

    DRIVER = "driver"
    ALL = "all"


class UploadRequest(Reading):
    """What the file cannot say itself."""

    source: Label = Field(description="Name of one of the campaign's sources.")
    split: Split = Split.TRAIN
    occupants: Occupants = Occupants.DRIVER
    features: dict[str, GivenValue] = Field(
        default_factory=dict, description="As planned; what the file holds too counts as executed there."
    )
    sample_id: int | None = Field(None, description="The candidate that this is the test of.")
    accept: bool = Field(default=False, description="Accept at once when nothing speaks against it.")


class Acceptance(Strict):
    """What to change before the samples are made; all of it may be left out."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"split": "train", "accept_drift": True}}
    )

    source: Label | None = None
    split: Split | None = None
    occupants: Occupants | None = None
    test_number: Label | None = None
    features: dict[str, GivenValue] = Field(
        default_factory=dict, description="Features that neither the file nor the upload gave."
    )
    accept_drift: bool = Field(
        default=False, description="Also when a feature was executed outside of its tolerance."
    )


class Relabelling(Strict):
    """A label definition that all labels from files shall follow."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"label_definition": "rolc/1"}})

    label_definition: LabelDefinition = Field(examples=["rolc/1"])


class RelabellingResult(BaseModel):
    label_definition: str
    queued: int = Field(description="Uploads that are read again.")
    without_original: int = Field(description="Accepted uploads whose file was not kept: labels stay.")


class Drift(BaseModel):
    """A feature that was executed differently than planned."""

    feature: str
    unit: str
    planned: FeatureValue
    executed: FeatureValue
    difference: float | None = Field(description="Executed minus planned, for numbers.")
    tolerance: float | None
    within_tolerance: bool | None = Field(description="Null: the schema gives no tolerance.")


class Proposal(BaseModel):
    """The sample that an occupant would become, with what was noticed and what stands against it."""

    occupant: str
    external_id: str
    planned_features: dict[str, Any]
    executed_features: dict[str, Any] | None
    target: float
    drift: list[Drift]
    notes: list[str] = Field(description="Values of the file that were left out, and why.")

    @property
    def drifts(self) -> bool:
        return any(item.within_tolerance is False for item in self.drift)


class UploadRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    status: UploadStatus
    filename: str
    sha256: str
    size_bytes: int
    request: dict[str, Any]
    label_definition: str
    report: dict[str, Any] | None = Field(
        description="Once parsed: channels taken, quarantined parts with reasons, labels of all occupants."
    )
    sample_ids: dict[str, int] | None = Field(description="Occupant to sample, once accepted.")
    error_code: str | None
    error_message: str | None
    requested_by: str
    created_at: datetime
    decided_at: datetime | None


class UploadDetail(UploadRead):
    proposals: list[Proposal] = Field(description="What `:accept` would make, while it is parsed.")


class UploadResult(UploadRead):
    samples: list[SampleRead]


class UploadCurvesRead(BaseModel):
    """Car and chest of one occupant from the first contact on, filtered as the label definition says.

    Braking is a negative acceleration. The ROLC is the slope of the chest speed from t1 to t2.
    """

    upload_id: int
    occupant: str
    label_definition: str
    rolc_g: float | None = Field(
        description="By this reading; the label of the sample may have been corrected."
    )
    t1_ms: float | None
    t2_ms: float | None
    samples: int = Field(description="Of the records in this window.")
    shown: int = Field(description="Points that follow, evenly thinned.")
    time_ms: list[float]
    vehicle_g: list[float]
    chest_g: list[float]
    vehicle_mps: list[float]
    chest_mps: list[float]


class CurvesRead(UploadCurvesRead):
    """Car and chest behind the label of a sample."""

    sample_id: int
