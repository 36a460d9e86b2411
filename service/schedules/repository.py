"""SQL of schedules and their firings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from service.database.models import Sample, Schedule, ScheduleFiring
from service.lifecycles import ScheduleStatus
from service.pagination import PageRequest
from service.vocabulary import SampleStatus, Split, TriggerKind


def add(session: Session, schedule: Schedule) -> Schedule:
    session.add(schedule)
    session.flush()
    return schedule


def get(session: Session, schedule_id: int) -> Schedule | None:
    return session.get(Schedule, schedule_id)


def get_for_update(session: Session, schedule_id: int) -> Schedule | None:
    statement = select(Schedule).where(Schedule.id == schedule_id).with_for_update(key_share=True)
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Schedule]:
    statement = (
        select(Schedule)
        .where(Schedule.campaign_id == campaign_id, Schedule.id > request.after)
        .order_by(Schedule.id)
    )
    return session.scalars(statement.limit(request.limit + 1)).all()


def next_due(session: Session, campaign_id: int) -> Schedule | None:
    """The active schedule that is due first; those that wait for labels come behind those with a time."""
    statement = (
        select(Schedule)
        .where(Schedule.campaign_id == campaign_id, Schedule.status == ScheduleStatus.ACTIVE)
        .order_by(Schedule.next_due_at.nulls_last(), Schedule.id)
    )
    return session.scalars(statement.limit(1)).one_or_none()


def due_ids(session: Session, now: datetime) -> Sequence[int]:
    """Schedules that are due by the clock, and those that only counting can tell."""
    due = or_(Schedule.next_due_at <= now, Schedule.trigger_kind == TriggerKind.NEW_LABELS)
    statement = select(Schedule.id).where(Schedule.status == ScheduleStatus.ACTIVE, due)
    return session.scalars(statement.order_by(Schedule.next_due_at, Schedule.id)).all()


def claim(session: Session, schedule_id: int) -> Schedule | None:
    """An active schedule, locked; None when another scheduler is at it."""
    statement = (
        select(Schedule)
        .where(and_(Schedule.id == schedule_id, Schedule.status == ScheduleStatus.ACTIVE))
        .with_for_update(skip_locked=True, key_share=True)  # rounds may refer to it meanwhile
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).one_or_none()


def claim_fired_after(session: Session, moment: datetime) -> Sequence[Schedule]:
    """Active schedules with a due time that have fired later than `moment`, locked."""
    later = select(ScheduleFiring.id).where(
        ScheduleFiring.schedule_id == Schedule.id, ScheduleFiring.fired_at > moment
    )
    statement = (
        select(Schedule)
        .where(Schedule.status == ScheduleStatus.ACTIVE, Schedule.next_due_at.is_not(None), later.exists())
        .with_for_update(skip_locked=True, key_share=True)
    )
    return session.scalars(statement).all()


def add_firing(session: Session, firing: ScheduleFiring) -> ScheduleFiring:
    session.add(firing)
    session.flush()
    return firing


def has_fired(session: Session, schedule_id: int, due_at: datetime) -> bool:
    statement = select(ScheduleFiring.id).where(
        ScheduleFiring.schedule_id == schedule_id, ScheduleFiring.due_at == due_at
    )
    return session.scalar(statement) is not None


def newest_firings(session: Session, schedule_id: int, limit: int) -> Sequence[ScheduleFiring]:
    statement = select(ScheduleFiring).where(ScheduleFiring.schedule_id == schedule_id)
    return session.scalars(statement.order_by(ScheduleFiring.id.desc()).limit(limit)).all()


def firings_page(session: Session, schedule_id: int, request: PageRequest) -> Sequence[ScheduleFiring]:
    statement = (
        select(ScheduleFiring)
        .where(ScheduleFiring.schedule_id == schedule_id, ScheduleFiring.id > request.after)
        .order_by(ScheduleFiring.id)
    )
    return session.scalars(statement.limit(request.limit + 1)).all()


def label_count(session: Session, campaign_id: int) -> int:
    """Labelled samples in split train."""
    statement = select(func.count(Sample.id)).where(
        Sample.campaign_id == campaign_id,
        Sample.status == SampleStatus.LABELLED,
        Sample.split == Split.TRAIN,
    )
    return session.scalars(statement).one()
