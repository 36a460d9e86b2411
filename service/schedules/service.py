"""Rules of schedules: create, change, pause, and when they are due next. Firing: `firing.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from service.audit import repository as audit
from service.database.clock import database_time
from service.database.models import Campaign, Schedule, ScheduleFiring
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.lifecycles import ScheduleStatus
from service.pagination import PageRequest, cut_page
from service.rounds import service as rounds
from service.schedules import repository
from service.schedules.schemas import (
    CronTrigger,
    DateTrigger,
    IntervalTrigger,
    NewLabelsTrigger,
    NextRun,
    ScheduleCreate,
    ScheduleRead,
    ScheduleUpdate,
    Trigger,
)
from service.schedules.times import cron_times, first_of, interval_times, zone_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SHOWN_RUNS = 5
_TRIGGER: TypeAdapter[Trigger] = TypeAdapter(Trigger)


def create(session: Session, campaign: Campaign, request: ScheduleCreate, *, actor: str) -> Schedule:
    """An active schedule.

    Raises:
        InputError: if its date has passed, or the configuration does not fit the campaign.
    """
    now = database_time(session)
    rounds.check(campaign, request.configuration, "/configuration")
    document = request.model_dump(mode="json")
    schedule = Schedule(
        campaign_id=campaign.id,
        name=request.name,
        time_zone=request.time_zone,
        misfire=request.misfire,
        action=request.action,
        configuration=document["configuration"],
        created_by=actor,
        created_at=now,
    )
    _set_trigger(session, schedule, request.trigger, now)
    repository.add(session, schedule)
    _audit(session, schedule, "create", actor, document)
    return schedule


def _set_trigger(session: Session, schedule: Schedule, trigger: Trigger, now: datetime) -> None:
    if isinstance(trigger, DateTrigger) and trigger.at <= now:
        errors = [FieldError("/trigger/at", f"{trigger.at.isoformat()} has passed: give a time to come")]
        raise InputError("The schedule would never be due.", errors=errors)
    counted = isinstance(trigger, NewLabelsTrigger)
    # Asked before anything is set: a query writes what is set so far, and half a trigger is none.
    labels_seen = repository.label_count(session, schedule.campaign_id) if counted else None
    schedule.trigger_kind, schedule.trigger = trigger.kind, trigger.model_dump(mode="json")
    schedule.labels_seen = labels_seen
    schedule.next_due_at = next_due(schedule, now)


def trigger_of(schedule: Schedule) -> Trigger:
    return _TRIGGER.validate_python(schedule.trigger)


def next_due(schedule: Schedule, after: datetime) -> datetime | None:
    """The next due time behind `after`; None for labels, and for a date that has passed."""
    return next(_due_times(schedule, after), None)


def _due_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    trigger = trigger_of(schedule)
    if isinstance(trigger, CronTrigger):
        return cron_times(trigger.expression, zone_of(schedule.time_zone), after)
    if isinstance(trigger, IntervalTrigger):
        every = timedelta(minutes=trigger.every_minutes)
        return interval_times(every, trigger.starts_at or schedule.created_at, after)
    if isinstance(trigger, DateTrigger) and trigger.at > after:
        return iter([trigger.at])
    return iter([])


def get(session: Session, schedule_id: int) -> Schedule:
    """The schedule.

    Raises:
        NotFoundError: if there is none with this id.
    """
    schedule = repository.get(session, schedule_id)
    if schedule is None:
        raise NotFoundError(f"There is no schedule {schedule_id}.")
    return schedule


def changeable(session: Session, schedule_id: int) -> Schedule:
    """The schedule, locked against the clock.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended.
    """
    schedule = repository.get_for_update(session, schedule_id)
    if schedule is None:
        raise NotFoundError(f"There is no schedule {schedule_id}.")
    if schedule.status is ScheduleStatus.ENDED:
        raise ConflictError(f"Schedule {schedule_id} has ended.", hint="Create a new one.")
    return schedule


def update(
    session: Session, campaign: Campaign, schedule: Schedule, request: ScheduleUpdate, *, actor: str
) -> Schedule:
    """Change a schedule that `changeable` gave.

    Raises:
        InputError: if its date has passed, or the configuration does not fit the campaign.
    """
    now, changes = database_time(session), request.model_dump(mode="json", exclude_none=True)
    before = {name: getattr(schedule, name) for name in changes}
    if request.configuration is not None:
        rounds.check(campaign, request.configuration, "/configuration")
        schedule.configuration = changes["configuration"]
    schedule.name = request.name or schedule.name
    schedule.misfire = request.misfire or schedule.misfire
    if request.trigger is not None and request.time_zone is not None:
        schedule.time_zone = request.time_zone
        _set_trigger(session, schedule, request.trigger, now)
        if schedule.status is ScheduleStatus.PAUSED:
            schedule.next_due_at = None
    schedule.changed_at = now
    _audit(session, schedule, "update", actor, changes, before)
    return schedule


def pause(session: Session, schedule_id: int, *, actor: str) -> Schedule:
    """Be due no more until it is resumed; labels that come in meanwhile count then.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it is not active.
    """
    return _turn(session, schedule_id, ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, actor)


def resume(session: Session, schedule_id: int, *, actor: str) -> Schedule:
    """Be due again from now on: what lay in the pause is not caught up.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it is not paused, or its date has passed meanwhile.
    """
    now = database_time(session)
    schedule = _turn(session, schedule_id, ScheduleStatus.PAUSED, ScheduleStatus.ACTIVE, actor)
    schedule.next_due_at = next_due(schedule, now)
    if schedule.next_due_at is None and schedule.labels_seen is None:
        message = f"The date of schedule {schedule_id} has passed."
        raise ConflictError(message, hint="PATCH it with a new trigger, then resume it.")
    return schedule


def _turn(
    session: Session, schedule_id: int, expected: ScheduleStatus, wanted: ScheduleStatus, actor: str
) -> Schedule:
    schedule = changeable(session, schedule_id)
    if schedule.status is not expected:
        raise ConflictError(f"Schedule {schedule_id} is {schedule.status}, not {expected}.")
    schedule.status, schedule.next_due_at, schedule.changed_at = wanted, None, datetime.now(UTC)
    action = "pause" if wanted is ScheduleStatus.PAUSED else "resume"
    _audit(session, schedule, action, actor, {"status": wanted}, {"status": expected})
    return schedule


def delete(session: Session, schedule_id: int, *, actor: str) -> None:
    """End it for good; it and its firings stay readable.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended.
    """
    schedule = changeable(session, schedule_id)
    before = {"status": schedule.status}
    schedule.status, schedule.next_due_at, schedule.changed_at = ScheduleStatus.ENDED, None, datetime.now(UTC)
    _audit(session, schedule, "delete", actor, {"status": schedule.status}, before)


def upcoming(session: Session, campaign: Campaign) -> ScheduleRead | None:
    """The active schedule that is due first, or waits for labels; None when nothing starts by itself."""
    schedule = repository.next_due(session, campaign.id)
    return None if schedule is None else read(session, schedule)


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Schedule], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def firings_page(
    session: Session, schedule: Schedule, request: PageRequest
) -> tuple[Sequence[ScheduleFiring], bool]:
    return cut_page(repository.firings_page(session, schedule.id, request), request.limit)


def newest_firings(session: Session, schedule_id: int, *, limit: int) -> Sequence[ScheduleFiring]:
    """The last due times that were kept or left out, the newest first."""
    return repository.newest_firings(session, schedule_id, limit)


def read(session: Session, schedule: Schedule) -> ScheduleRead:
    """The schedule with its next runs, or the labels that are missing."""
    runs = _shown_runs(schedule) if schedule.status is ScheduleStatus.ACTIVE else []
    return ScheduleRead.model_validate(schedule).model_copy(
        update={"next_runs": runs, "labels_missing": _labels_missing(session, schedule)}
    )


def _shown_runs(schedule: Schedule) -> list[NextRun]:
    zone = zone_of(schedule.time_zone)
    due = first_of(_due_times(schedule, datetime.now(UTC)), SHOWN_RUNS)
    return [NextRun(due_at=moment, local=moment.astimezone(zone).isoformat()) for moment in due]


def _labels_missing(session: Session, schedule: Schedule) -> int | None:
    trigger = trigger_of(schedule)
    if not isinstance(trigger, NewLabelsTrigger) or schedule.labels_seen is None:
        return None
    new = repository.label_count(session, schedule.campaign_id) - schedule.labels_seen
    return max(0, trigger.count - new)


def _audit(
    session: Session,
    schedule: Schedule,
    action: str,
    actor: str,
    after: Mapping[str, object],
    before: Mapping[str, object] | None = None,
) -> None:
    audit.record(
        session, actor, action, "schedule", schedule.id, campaign_id=schedule.campaign_id,
        before=None if before is None else dict(before), after=dict(after),
    )  # fmt: skip
