"""Valuation runs, the data values that they give, and the surrogates that they train."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from service.database.base import Base, Created, Document, PrimaryKey, finite
from service.database.models.run import RunColumns, large_id_list, run_constraints
from service.database.models.sample import Sample


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
    created_at: Mapped[Created]
