"""Rounds: the whole way from frozen data to collected results, step by step."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import AskedIn, Base, Created, Document, Moment, PrimaryKey, enum_column
from service.lifecycles import RoundEnd, RoundStep


class CampaignRound(Base):
    """One round of a campaign; its row says which step is next, so that any process may go on with it."""

    __tablename__ = "campaign_rounds"
    __table_args__ = (
        UniqueConstraint("id", "campaign_id"),
        ForeignKeyConstraint(
            ["valuation_run_id", "campaign_id"], ["valuation_runs.id", "valuation_runs.campaign_id"]
        ),
        ForeignKeyConstraint(
            ["acquisition_round_id", "campaign_id"], ["acquisition_rounds.id", "acquisition_rounds.campaign_id"]
        ),
        ForeignKeyConstraint(["schedule_id", "campaign_id"], ["schedules.id", "schedules.campaign_id"]),
        ForeignKeyConstraint(["follows_id", "campaign_id"], ["campaign_rounds.id", "campaign_rounds.campaign_id"]),
        Index(
            "uq_campaign_rounds_open",
            "campaign_id",
            unique=True,
            postgresql_where=text("step <> 'closed'"),
        ),
        Index(None, "campaign_id", "id"),
        CheckConstraint("number >= 1", name="number_positive"),
        CheckConstraint("(step IN ('close', 'closed')) = (closed_reason IS NOT NULL)", name="closed_has_reason"),
        CheckConstraint("(step = 'closed') = (closed_at IS NOT NULL)", name="closed_has_time"),
        CheckConstraint(
            "step NOT IN ('propose', 'decide', 'order', 'collect') OR acquisition_round_id IS NOT NULL",
            name="ranked_has_ranking",
        ),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    # 1 for a round that somebody or a schedule started, then counting those that followed by themselves.
    number: Mapped[int] = mapped_column(default=1)
    step: Mapped[RoundStep] = mapped_column(enum_column(RoundStep, "step"), default=RoundStep.FREEZE)
    configuration: Mapped[Document]
    schedule_id: Mapped[int | None]
    follows_id: Mapped[int | None]
    valuation_run_id: Mapped[int | None]
    acquisition_round_id: Mapped[int | None] = mapped_column(unique=True)
    decide_by: Mapped[Moment | None]
    collect_by: Mapped[Moment | None]
    # When messages of its simulations were last sent again.
    nudged_at: Mapped[Moment | None]
    closed_reason: Mapped[RoundEnd | None] = mapped_column(enum_column(RoundEnd, "closed_reason"))
    detail: Mapped[str] = mapped_column(String(2000), default="")
    # Why no round followed; null while it is open, and when one did or none was wanted.
    stop_reason: Mapped[str | None] = mapped_column(String(2000))
    requested_by: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[AskedIn]
    created_at: Mapped[Created]
    step_since: Mapped[Created]
    closed_at: Mapped[Moment | None]
