"""What acquisition rounds and recommendations look like from outside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.campaigns.schemas import STORABLE, Money, Name, Reason, RowId, Strict
from service.lifecycles import RecommendationStatus
from service.runs.schemas import AttemptRead, RunRead
from service.samples.schemas import (
    FeatureValue,
    GivenTarget,
    GivenValue,
    JsonObject,
    LabelDefinition,
    SampleCreate,
)
from service.vocabulary import Arm, Evidence, Split, Strategy

SampleIds = Annotated[list[RowId], Field(max_length=10_000)]


class SourceQuota(Strict):
    """How many picks of one source a batch has."""

    least: int = Field(0, ge=0, le=1000, description="While it has affordable candidates.")
    most: int | None = Field(None, ge=0, le=1000, description="Null: no limit of its own.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.most is not None and self.least > self.most:
            raise ValueError("`least` is above `most`: lower it")
        return self


class AcquisitionConfiguration(Strict):
    """How to choose. An injected design goes in first; what is vetoed never does, whatever draws it."""

    strategy: Strategy = Field(
        Strategy.AUTO, description="auto: what the newest backtest supports, else a documented prior."
    )
    batch_size: int = Field(20, ge=1, le=1000)
    budget: Money | None = Field(None, description="Null: what is left of the campaign's budget.")
    source_budgets: dict[str, Money] = Field(
        default_factory=dict,
        description="Most money per source; a source that is not named has no limit of its own.",
    )
    cost_exponent: float = Field(0.5, ge=0, le=1, description="0: gain only; 1: gain per money.")
    control_fraction: float = Field(0.1, ge=0, le=0.5, description="Share of the batch drawn at random.")
    stored_rows: int = Field(
        1000, ge=0, le=10_000_000, description="How much of the ranking is kept, from its best rank on."
    )
    source_quotas: dict[str, SourceQuota] = Field(
        default_factory=dict, description="Picks per source; the source's capacity holds anyway."
    )
    max_per_group: int | None = Field(None, ge=1, le=1000, description="Most picks of one group.")
    group_feature: Name | None = Field(
        None, description="The feature whose equal values make a group; null: the samples' own group."
    )
    longest_lead_time_hours: Decimal | None = Field(
        None, gt=0, max_digits=10, decimal_places=2, description="Slower sources are left out."
    )
    relevance_strength: float = Field(
        0,
        ge=0,
        lt=1,
        description="How far being missed by the target domain's transport raises a gain; 0: not at all.",
    )
    retests: bool = Field(
        default=True, description="Whether repeating a test whose label is suspicious may be proposed."
    )
    vetoed_sample_ids: SampleIds = Field(
        default_factory=list, description="Candidates that must not be chosen."
    )
    injected_sample_ids: SampleIds = Field(
        default_factory=list, description="Candidates that must be in the batch, whatever their score."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.group_feature and self.max_per_group is None:
            raise ValueError("`group_feature` without `max_per_group` has no effect: give both")
        if both := sorted({*self.vetoed_sample_ids} & {*self.injected_sample_ids}):
            raise ValueError(f"samples {both} are vetoed and injected: choose one")
        if len(self.injected_sample_ids) > self.batch_size:
            raise ValueError("more samples are injected than `batch_size` allows: raise it")
        if sum(quota.least for quota in self.source_quotas.values()) > self.batch_size:
            raise ValueError("the least picks of the sources are more than `batch_size`: raise it")
        return self


class AcquisitionRequest(Strict):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"configuration": {"batch_size": 10, "budget": "1500000"}, "seed": 1}},
    )

    configuration: AcquisitionConfiguration = AcquisitionConfiguration()
    seed: int = Field(0, ge=0, lt=2**32)
    surrogate_id: int | None = Field(None, ge=1, description="Null: the one that serves.")
    dry_run: bool = Field(
        default=False,
        description="Rank and choose a batch, and propose nothing: look at it at `/preview`. A `budget` that is given "
        "counts as it is, also above what is left. Kept for 7 days.",
    )

    injected_designs: list[SampleCreate] = Field(
        default_factory=list,
        max_length=1000,
        description="Designs that are not in the pool yet: created as candidates and injected, all or none of it.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        injected = len(self.configuration.injected_sample_ids) + len(self.injected_designs)
        if injected > self.configuration.batch_size:
            raise ValueError("more samples are injected than `batch_size` allows: raise it")
        if self.injected_designs and self.dry_run:
            raise ValueError("a dry run creates no sample: rank new designs with POST .../scores")
        for index, design in enumerate(self.injected_designs):
            if design.target is not None or design.split is not Split.TRAIN:
                raise ValueError(f"injected design {index} must be a candidate: no target, split train")
        return self


class AcquisitionRoundRead(RunRead):
    """`evidence` is that of the newest backtest; `metrics` keeps what was known when the round was ranked."""

    surrogate_id: int
    backtest_id: int | None = Field(description="The backtest by which `auto` chose; null: there was none.")
    pool_size: int | None
    dry_run: bool = Field(description="It proposes nothing and is deleted 7 days after its end.")
    frozen_at: datetime | None
    evidence: Evidence
    evidence_sentence: str
    evidence_interval: tuple[float, float] | None = Field(
        description="Of the log of the strategy's RMSE over random's; negative is better."
    )


class RecommendationRead(BaseModel):
    """One candidate that a round proposes; a higher score is better, rank 1 the best."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    round_id: int
    sample_id: int
    external_id: str | None
    source: str
    planned_features: dict[str, FeatureValue]
    repeats_sample_id: int | None = Field(description="The labelled sample whose test this one repeats.")
    rank: int
    score: float
    components: dict[str, Any]
    reason: str
    arm: Arm
    selection_probability: float | None
    acquisition_cost: Decimal
    currency: str
    lead_time_hours: Decimal
    status: RecommendationStatus
    allowed: list[RecommendationStatus] = Field(description="What it may become now.")
    is_late: bool
    created_at: datetime
    changed_at: datetime | None


class RankedCandidateRead(BaseModel):
    """One line of a ranking: first the batch in its order, then what can be paid by its score, then the rest.

    Score and information are those before any pick; `information` is in the square of the target's unit.
    """

    model_config = ConfigDict(from_attributes=True)

    rank: int
    sample_id: int
    external_id: str | None
    source: str
    score: float
    information: float
    relevance: float
    predicted: float
    predicted_std: float
    eligible: bool = Field(description="False for a design that is pending, labelled or a repetition.")
    affordable: bool = Field(description="Whether the budgets paid this candidate alone.")


class PreviewedPickRead(BaseModel):
    """One line of the batch that a dry run would propose; a higher score is better, rank 1 the best."""

    model_config = ConfigDict(from_attributes=True)

    rank: int
    sample_id: int = Field(description="The candidate; for a repetition the labelled sample to be repeated.")
    is_repetition: bool
    external_id: str | None
    source: str
    planned_features: dict[str, FeatureValue]
    arm: Arm
    score: float
    components: dict[str, Any]
    predicted: float = Field(description="In the unit of the target.")
    predicted_std: float
    reason: str
    selection_probability: float | None
    acquisition_cost: Decimal
    currency: str


class RecommendationChangeRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    from_status: RecommendationStatus | None
    to_status: RecommendationStatus
    actor: str
    reason: str
    created_at: datetime


class RecommendationDetail(RecommendationRead):
    history: list[RecommendationChangeRead]


class SimulationRunRead(RunRead):
    """One way of a recommended simulation through the workers; the recommendation tells what became of it."""

    attempts: list[AttemptRead] = Field(description="How each attempt ended, oldest first.")


class Rejection(Strict):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "No such vehicle can be had this year."}}
    )

    reason: Reason = Field(description="Why not; kept for good.")


class Note(Strict):
    """An optional word for the history."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "agreed in the meeting of week 12"}}
    )

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), STORABLE] = ""


class Completion(Strict):
    """What was really run and what came out; the sample becomes labelled."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"executed_features": {"impact_speed_kmh": 56.3}, "target": 26.4}},
    )

    target: GivenTarget
    executed_features: dict[str, GivenValue] = Field(
        default_factory=dict, description="What differs from the plan; the rest was run as planned."
    )
    label_definition: LabelDefinition | None = None
    label_details: JsonObject | None = None
    reason: Annotated[str, StringConstraints(max_length=2000), STORABLE] = ""
