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
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Document, Moment, PrimaryKey, enum_column, finite
from service.database.models.campaign import Source
from service.vocabulary import SampleStatus, Split


class Upload(Base):
    """One file that came in: what was read, what was quarantined and why."""

    __tablename__ = "uploads"

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    report: Mapped[Document]
    created_at: Mapped[Created]


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
        Index(None, "campaign_id", "id"),
        Index(None, "campaign_id", "status", "split", "id"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    source_id: Mapped[int]
    upload_id: Mapped[int | None] = mapped_column(ForeignKey("uploads.id"), index=True)
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
