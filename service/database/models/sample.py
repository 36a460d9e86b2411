"""Samples and the uploads that some of them came from."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import AskedIn, Base, Created, Document, Moment, PrimaryKey, enum_column, finite
from service.database.models.campaign import Source
from service.lifecycles import UploadStatus
from service.vocabulary import SampleStatus, Split


class Upload(Base):
    """One file that came in: where its original lies, what was read, what was quarantined and why."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("status <> 'failed' OR error_message IS NOT NULL", name="failed_has_reason"),
        CheckConstraint("status NOT IN ('parsed', 'accepted') OR report IS NOT NULL", name="read_has_report"),
        CheckConstraint("status = 'accepted' OR sample_ids IS NULL OR status IN ('queued', 'running')",
                        name="only_accepted_has_samples"),
        # The same bytes once per campaign, until they failed or were rejected.
        Index(
            "uq_uploads_live_content",
            "campaign_id",
            "sha256",
            unique=True,
            postgresql_where=text("status NOT IN ('failed', 'rejected')"),
        ),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    status: Mapped[UploadStatus] = mapped_column(
        enum_column(UploadStatus, "status"), default=UploadStatus.QUEUED
    )
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    # Names the file in the folder of originals; null for uploads from before originals were kept.
    storage_key: Mapped[str | None] = mapped_column(String(64))
    # What was said beside the file: source, split, occupants, features, the sample that it is the test of.
    request: Mapped[Document]
    label_definition: Mapped[str] = mapped_column(String(64))
    report: Mapped[Document | None]
    sample_ids: Mapped[Document | None]  # occupant -> sample, once accepted
    attempt: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[Moment | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    requested_by: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[AskedIn]
    created_at: Mapped[Created]
    queued_at: Mapped[Created]
    decided_at: Mapped[Moment | None]


class Sample(Base):
    """One design with planned and executed features; labelled (has a target) or a candidate."""

    __tablename__ = "samples"
    __table_args__ = (
        UniqueConstraint("campaign_id", "external_id"),
        UniqueConstraint("id", "campaign_id", "split"),
        ForeignKeyConstraint(["source_id", "campaign_id"], ["sources.id", "sources.campaign_id"]),
        CheckConstraint("(status = 'labelled') = (target IS NOT NULL)", name="labelled_has_target"),
        CheckConstraint("target IS NULL OR label_definition IS NOT NULL", name="label_has_definition"),
        CheckConstraint(finite("target"), name="target_finite"),
        CheckConstraint("split <> 'holdout' OR status = 'labelled'", name="holdout_not_acquirable"),
        # A repetition stands in the split of what it repeats: else the holdout would leak.
        ForeignKeyConstraint(
            ["repeats_sample_id", "campaign_id", "split"],
            ["samples.id", "samples.campaign_id", "samples.split"],
            onupdate="CASCADE",
            name="fk_samples_repeated",
        ),
        CheckConstraint("repeats_sample_id <> id", name="repeats_another"),
        Index(
            "uq_samples_candidate_repetition",
            "repeats_sample_id",
            unique=True,
            postgresql_where=text("status = 'candidate'"),
        ),
        Index(None, "campaign_id", "id"),
        Index(None, "campaign_id", "status", "split", "id"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    source_id: Mapped[int]
    upload_id: Mapped[int | None] = mapped_column(ForeignKey("uploads.id"), index=True)
    # The labelled sample whose test this one is to repeat, because its label is suspicious.
    repeats_sample_id: Mapped[int | None]
    external_id: Mapped[str | None] = mapped_column(String(200))
    status: Mapped[SampleStatus] = mapped_column(enum_column(SampleStatus, "status"))
    split: Mapped[Split] = mapped_column(enum_column(Split, "split"))
    group: Mapped[str | None] = mapped_column("group_name", String(200))
    planned_features: Mapped[Document]
    executed_features: Mapped[Document | None]
    target: Mapped[float | None] = mapped_column(Float(53))
    label_definition: Mapped[str | None] = mapped_column(String(64))
    label_details: Mapped[Document | None]
    provenance: Mapped[Document]
    created_at: Mapped[Created]
    labelled_at: Mapped[Moment | None]

    source: Mapped[Source] = relationship(lazy="raise", viewonly=True)
    # Loaded when it is asked for, as samples come in by many ways; lists join it.
    veto: Mapped[SampleVeto | None] = relationship(
        lazy="select",
        viewonly=True,
        primaryjoin="and_(SampleVeto.sample_id == Sample.id, SampleVeto.lifted_at.is_(None))",
    )


class SampleVeto(Base):
    """Somebody's standing word that a sample must not be proposed; it stands until it is lifted.

    The times of all are kept: a replay of an old round respects those that stood then.
    """

    __tablename__ = "sample_vetoes"
    __table_args__ = (
        CheckConstraint("reason <> ''", name="has_reason"),
        CheckConstraint("lifted_at >= created_at", name="lifted_later"),
        Index(
            "uq_sample_vetoes_standing", "sample_id", unique=True, postgresql_where=text("lifted_at IS NULL")
        ),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), index=True)
    reason: Mapped[str] = mapped_column(String(2000))
    actor: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    lifted_at: Mapped[Moment | None]


class LabelChange(Base):
    """One label that a sample got, the first and every later one; rows are only ever added."""

    __tablename__ = "label_changes"
    __table_args__ = (CheckConstraint(finite("target"), name="target_finite"),)

    id: Mapped[PrimaryKey]
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), index=True)
    target: Mapped[float] = mapped_column(Float(53))
    label_definition: Mapped[str] = mapped_column(String(64))
    label_details: Mapped[Document | None]
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[Created]
