"""Schedules, and every due time that they kept or left out."""

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

from service.database.base import Base, Created, Document, Moment, PrimaryKey, enum_column
from service.lifecycles import ScheduleStatus
from service.vocabulary import FiringOutcome, MisfireRule, ScheduledAction, TriggerKind


class Schedule(Base):
    """What starts rounds by itself: when, in which time zone, with which configuration."""

    __tablename__ = "schedules"
    __table_args__ = (
        UniqueConstraint("id", "campaign_id"),
        Index(None, "campaign_id", "id"),
        Index("ix_schedules_due", "next_due_at", postgresql_where=text("status = 'active'")),
        CheckConstraint(
            "(trigger_kind = 'new_labels') = (labels_seen IS NOT NULL)", name="new_labels_has_count"
        ),
        CheckConstraint(
            "status <> 'active' OR trigger_kind = 'new_labels' OR next_due_at IS NOT NULL",
            name="active_is_due_some_time",
        ),
        CheckConstraint("status <> 'ended' OR next_due_at IS NULL", name="ended_is_never_due"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[ScheduleStatus] = mapped_column(
        enum_column(ScheduleStatus, "status"), default=ScheduleStatus.ACTIVE
    )
    trigger_kind: Mapped[TriggerKind] = mapped_column(enum_column(TriggerKind, "trigger_kind"))
    trigger: Mapped[Document]
    time_zone: Mapped[str] = mapped_column(String(64))
    misfire: Mapped[MisfireRule] = mapped_column(enum_column(MisfireRule, "misfire"))
    action: Mapped[ScheduledAction] = mapped_column(enum_column(ScheduledAction, "action"))
    configuration: Mapped[Document]
    next_due_at: Mapped[Moment | None]
    # Labels of the campaign when it fired last; the trigger counts from here.
    labels_seen: Mapped[int | None]
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    changed_at: Mapped[Moment | None]


class ScheduleFiring(Base):
    """One due time of a schedule; the unique pair lets two schedulers keep it only once."""

    __tablename__ = "schedule_firings"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at"),
        ForeignKeyConstraint(["schedule_id", "campaign_id"], ["schedules.id", "schedules.campaign_id"]),
        ForeignKeyConstraint(["round_id", "campaign_id"], ["campaign_rounds.id", "campaign_rounds.campaign_id"]),
        CheckConstraint("(outcome = 'started') = (round_id IS NOT NULL)", name="started_has_round"),
        CheckConstraint("outcome <> 'skipped' OR reason <> ''", name="skipped_has_reason"),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int]
    schedule_id: Mapped[int]
    due_at: Mapped[Moment]
    fired_at: Mapped[Moment]
    outcome: Mapped[FiringOutcome] = mapped_column(enum_column(FiringOutcome, "outcome"))
    reason: Mapped[str] = mapped_column(String(2000), default="")
    round_id: Mapped[int | None]
