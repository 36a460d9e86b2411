"""Decisions about suspicious tests."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base, Created, Document, PrimaryKey, enum_column
from service.vocabulary import ReviewDecision


class Review(Base):
    """One decision about a suspicious test, with the evidence it was taken on; rows are only ever added."""

    __tablename__ = "reviews"
    __table_args__ = (
        ForeignKeyConstraint(
            ["valuation_run_id", "campaign_id"], ["valuation_runs.id", "valuation_runs.campaign_id"]
        ),
        CheckConstraint("reason <> ''", name="has_reason"),
        CheckConstraint(
            "(decision = 'retested') = (retest_sample_id IS NOT NULL)", name="only_retested_has_retest"
        ),
        CheckConstraint("retest_sample_id <> sample_id", name="retests_another"),
        Index(None, "campaign_id", "id"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), index=True)
    valuation_run_id: Mapped[int]
    decision: Mapped[ReviewDecision] = mapped_column(enum_column(ReviewDecision, "decision"))
    # What spoke against the test: its findings, the two sides of its value, its label then.
    evidence: Mapped[Document]
    retest_sample_id: Mapped[int | None] = mapped_column(ForeignKey("samples.id"))
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(2000))
    created_at: Mapped[Created]
