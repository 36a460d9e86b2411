"""Designs that people inject into the next round."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Moment, PrimaryKey, enum_column
from service.database.models.sample import Sample
from service.vocabulary import Split


class Injection(Base):
    """A design that somebody wants in the next round; withdrawn ones stay as history.

    It is fulfilled when a round has proposed its sample after it was made.
    """

    __tablename__ = "injections"
    __table_args__ = (
        # As for recommendations: what may not be acquired cannot be injected.
        ForeignKeyConstraint(
            ["sample_id", "campaign_id", "sample_split"],
            ["samples.id", "samples.campaign_id", "samples.split"],
            onupdate="CASCADE",
            name="fk_injections_sample",
        ),
        Index(
            "uq_injections_standing",
            "sample_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index(None, "campaign_id", "id"),
        CheckConstraint("sample_split = 'train'", name="only_from_pool"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn_by_somebody"),
        CheckConstraint("reason <> ''", name="has_reason"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int]
    sample_id: Mapped[int]
    sample_split: Mapped[Split] = mapped_column(enum_column(Split, "sample_split"), default=Split.TRAIN)
    reason: Mapped[str] = mapped_column(String(2000))
    actor: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    withdrawn_at: Mapped[Moment | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))

    sample: Mapped[Sample] = relationship(lazy="raise", viewonly=True)
