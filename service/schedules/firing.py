"""Fires what is due: any number of clocks may do this at once, each due time is kept once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from service.campaigns import service as campaigns
from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import CampaignRound, Schedule, ScheduleFiring
from service.errors import CrashscoutError
from service.lifecycles import ScheduleStatus
from service.rounds import service as rounds
from service.rounds.schemas import RoundConfiguration
from service.schedules import repository, service
from service.schedules.schemas import NewLabelsTrigger
from service.vocabulary import FiringOutcome, MisfireRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

logger = logging.getLogger(__name__)
# Later than so a due time counts as missed: more than a tick, and than a busy worker lets it wait.
MISFIRE_AFTER = timedelta(minutes=10)
# A firing that lies further ahead than so was made by a clock that was put back since.
CLOCK_TOLERANCE = timedelta(minutes=1)


def fire_due(sessions: sessionmaker[Session], *, now: datetime | None = None) -> int:
    """Fire every schedule that is due, each in a transaction of its own; how many firings were written.

    An unexpected error of one is logged and does not keep the others; it is tried again at the next tick.
    """
    with unit_of_work(sessions) as session:
        now = now or database_time(session)
        _set_right(session, now)
        due = repository.due_ids(session, now)
    fired = 0
    for schedule_id in due:
        try:
            with unit_of_work(sessions) as session:
                fired += _fire_claimed(session, schedule_id, now) is not None
        except Exception:
            logger.exception("schedule %s could not be fired", schedule_id)
    return fired


def _set_right(session: Session, now: datetime) -> None:
    """Look ahead anew where a clock that was fast has fired: its next due time may lie years ahead."""
    for schedule in repository.claim_fired_after(session, now + CLOCK_TOLERANCE):
        times = (schedule.next_due_at, service.next_due(schedule, now))
        schedule.next_due_at = min((due_at for due_at in times if due_at is not None), default=None)


def _fire_claimed(session: Session, schedule_id: int, now: datetime) -> ScheduleFiring | None:
    """Claim the schedule and look again: between the list and the lock another clock may have fired it."""
    schedule = repository.claim(session, schedule_id)
    if schedule is None or (due_at := _due_at(session, schedule, now)) is None:
        return None
    firing = None
    if not repository.has_fired(session, schedule.id, due_at):
        if _must_wait(session, schedule):
            return None
        firing = _keep_or_skip(session, schedule, due_at, now)
    _set_next(session, schedule, now)
    return firing


def _due_at(session: Session, schedule: Schedule, now: datetime) -> datetime | None:
    trigger = service.trigger_of(schedule)
    if isinstance(trigger, NewLabelsTrigger):
        new = repository.label_count(session, schedule.campaign_id) - (schedule.labels_seen or 0)
        return now if new >= trigger.count else None
    due_at = schedule.next_due_at
    return due_at if due_at is not None and due_at <= now else None


def _must_wait(session: Session, schedule: Schedule) -> bool:
    """Whether an open round keeps it, and it shall be caught up; labels are never counted in vain."""
    catches_up = schedule.misfire is MisfireRule.RUN_ONCE or schedule.labels_seen is not None
    return catches_up and _open_round(session, schedule) is not None


def _open_round(session: Session, schedule: Schedule) -> CampaignRound | None:
    return rounds.open_round(session, campaigns.get(session, schedule.campaign_id))


def _keep_or_skip(session: Session, schedule: Schedule, due_at: datetime, now: datetime) -> ScheduleFiring:
    if schedule.misfire is MisfireRule.SKIP and now - due_at > MISFIRE_AFTER:
        return _skip(session, schedule, due_at, now, f"nothing ran at that time, only at {now.isoformat()}")
    try:
        return _start(session, schedule, due_at, now, actor=f"schedule-{schedule.id}")
    except CrashscoutError as error:  # an open round, or a configuration that no longer fits
        return _skip(session, schedule, due_at, now, str(error))


def _start(
    session: Session, schedule: Schedule, due_at: datetime, now: datetime, *, actor: str
) -> ScheduleFiring:
    configuration = RoundConfiguration.model_validate(schedule.configuration)
    campaign = campaigns.get(session, schedule.campaign_id)
    round_ = rounds.start(session, campaign, configuration, actor=actor, schedule_id=schedule.id)
    return _write(session, schedule, due_at, now, FiringOutcome.STARTED, round_id=round_.id)


def _skip(
    session: Session, schedule: Schedule, due_at: datetime, now: datetime, reason: str
) -> ScheduleFiring:
    return _write(session, schedule, due_at, now, FiringOutcome.SKIPPED, reason=reason[:2000])


def _write(
    session: Session,
    schedule: Schedule,
    due_at: datetime,
    now: datetime,
    outcome: FiringOutcome,
    *,
    reason: str = "",
    round_id: int | None = None,
) -> ScheduleFiring:
    firing = ScheduleFiring(
        campaign_id=schedule.campaign_id,
        schedule_id=schedule.id,
        due_at=due_at,
        fired_at=now,
        outcome=outcome,
        reason=reason,
        round_id=round_id,
    )
    return repository.add_firing(session, firing)


def _set_next(session: Session, schedule: Schedule, now: datetime) -> None:
    """Look ahead from now: due times that were missed together are one."""
    if schedule.labels_seen is not None:
        schedule.labels_seen = repository.label_count(session, schedule.campaign_id)
        return
    schedule.next_due_at = service.next_due(schedule, now)
    if schedule.next_due_at is None:
        schedule.status = ScheduleStatus.ENDED


def fire_now(session: Session, schedule_id: int, *, actor: str) -> ScheduleFiring:
    """Fire a schedule by hand; its next due time stays.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended, or a round is open.
        InputError: if its configuration no longer fits the campaign.
    """
    now = database_time(session)
    schedule = service.changeable(session, schedule_id)
    firing = _start(session, schedule, now, now, actor=actor)
    if schedule.labels_seen is not None:
        schedule.labels_seen = repository.label_count(session, schedule.campaign_id)
    return firing
