"""Valuation runs, the data values that they give, and the surrogates that they train."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from service.database.base import Base, Created, Document, PrimaryKey, enum_column, finite
from service.database.models.run import RunColumns, large_id_list, run_constraints
from service.database.models.sample import Sample
from service.vocabulary import GateOutcome


class ValuationRun(RunColumns, Base):
    """One execution of LossVal: snapshot, configuration and seed give values, surrogate and metrics."""

    __tablename__ = "valuation_runs"
    __table_args__ = run_constraints()

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    sample_ids: Mapped[list[int] | None] = large_id_list()


class DataValue(Base):
    """The value of one labelled sample in one run; higher is more useful, rank 1 the most useful."""

    __tablename__ = "data_values"
    __table_args__ = (
        UniqueConstraint("valuation_run_id", "rank"),
        CheckConstraint("rank >= 1", name="rank_positive"),
        CheckConstraint("spread >= 0 AND spread < 'Infinity'::float8", name="spread_finite"),
        CheckConstraint(finite("value"), name="value_finite"),
        CheckConstraint("weight >= 0 AND weight < 'Infinity'::float8", name="weight_finite"),
    )

    valuation_run_id: Mapped[int] = mapped_column(ForeignKey("valuation_runs.id"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True, index=True)
    value: Mapped[float] = mapped_column(Float(53))
    # The learned data weight (mean 1): how much the label counts, also as its precision in acquisition.
    weight: Mapped[float] = mapped_column(Float(53))
    spread: Mapped[float] = mapped_column(Float(53))
    rank: Mapped[int]
    # The two sides of the value, in its direction: higher is more useful (its label, or its features).
    value_target_loss: Mapped[float] = mapped_column(Float(53))
    value_transport: Mapped[float] = mapped_column(Float(53))

    sample: Mapped[Sample] = relationship(lazy="raise", viewonly=True)


class Surrogate(Base):
    """The network ensemble that predicts the target, as safetensors with its scaling and feature schema."""

    __tablename__ = "surrogates"
    __table_args__ = (
        UniqueConstraint("id", "campaign_id"),
        ForeignKeyConstraint(
            ["valuation_run_id", "campaign_id"], ["valuation_runs.id", "valuation_runs.campaign_id"]
        ),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(index=True)
    valuation_run_id: Mapped[int] = mapped_column(unique=True)
    # Null once retention has removed it; hash and metrics stay.
    artefact: Mapped[bytes | None] = deferred(mapped_column(LargeBinary))
    artefact_sha256: Mapped[str] = mapped_column(String(64))
    metrics: Mapped[Document]
    # Predictions beside labels, coverage, residuals by load case; null for surrogates of before.
    assessment: Mapped[Document | None] = deferred(mapped_column(JSONB(none_as_null=True)))
    created_at: Mapped[Created]


class SurrogatePromotion(Base):
    """Since when which surrogate serves, and why it may: the newest row counts; rows are only ever added."""

    __tablename__ = "surrogate_promotions"
    __table_args__ = (
        ForeignKeyConstraint(["surrogate_id", "campaign_id"], ["surrogates.id", "surrogates.campaign_id"]),
        CheckConstraint("outcome <> 'overridden' OR reason <> ''", name="override_has_reason"),
        CheckConstraint("replaced_surrogate_id <> surrogate_id", name="replaces_another"),
        CheckConstraint("(outcome = 'first') = (replaced_surrogate_id IS NULL)", name="only_first_replaces_none"),
        CheckConstraint("outcome <> 'worse'", name="worse_does_not_serve"),
        Index(None, "campaign_id", "id"),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int]
    surrogate_id: Mapped[int] = mapped_column(index=True)
    replaced_surrogate_id: Mapped[int | None] = mapped_column(ForeignKey("surrogates.id"))
    outcome: Mapped[GateOutcome] = mapped_column(enum_column(GateOutcome, "outcome"))
    comparison: Mapped[Document]  # both errors, on how many shared holdout samples, the tolerance
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[Created]
