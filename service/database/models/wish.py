"""What people want of the rounds to come."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Moment, PrimaryKey, enum_column
from service.database.models.sample import Sample
from service.vocabulary import Split, WishKind


class Wish(Base):
    """A design that somebody injects or vetoes; withdrawn ones stay as history.

    An injection is fulfilled when a round has proposed its sample after it was made; a veto holds until it is
    withdrawn.
    """

    __tablename__ = "wishes"
    __table_args__ = (
        # As for recommendations: what may not be acquired cannot be wished for.
        ForeignKeyConstraint(
            ["sample_id", "campaign_id", "sample_split"],
            ["samples.id", "samples.campaign_id", "samples.split"],
            onupdate="CASCADE",
            name="fk_wishes_sample",
        ),
        Index(
            "uq_wishes_standing",
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
    kind: Mapped[WishKind] = mapped_column(enum_column(WishKind, "kind"))
    reason: Mapped[str] = mapped_column(String(2000))
    actor: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    withdrawn_at: Mapped[Moment | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))

    sample: Mapped[Sample] = relationship(lazy="raise", viewonly=True)
