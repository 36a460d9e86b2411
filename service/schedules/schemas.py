"""What a schedule looks like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.campaigns.schemas import Label, Strict, Text
from service.lifecycles import ScheduleStatus
from service.moments import Moment
from service.rounds.schemas import RoundConfiguration
from service.schedules.times import check_cron, local_moment, zone_of
from service.vocabulary import FiringOutcome, MisfireRule, ScheduledAction, TriggerKind

# Sooner than the clock ticks it cannot be due.
SHORTEST_INTERVAL_MINUTES = 1
LONGEST_INTERVAL_MINUTES = 5 * 366 * 24 * 60


def _check_cron(expression: str) -> str:
    check_cron(expression)
    return expression


def _check_zone(name: str) -> str:
    return zone_of(name).key


TimeZone = Annotated[
    Text,
    Field(max_length=64, description="IANA name; cron times and dates without offset are its clock's."),
    AfterValidator(_check_zone),
]


class CronTrigger(Strict):
    """At clock times; after a change to summer time nothing is left out, after one back nothing is doubled."""

    kind: Literal[TriggerKind.CRON]
    expression: Annotated[
        Text, Field(max_length=200, examples=["0 2 * * 1-5"]), AfterValidator(_check_cron)
    ] = Field(description="Minute, hour, day of month, month, day of week.")


class IntervalTrigger(Strict):
    """Every so many minutes of elapsed time."""

    kind: Literal[TriggerKind.INTERVAL]
    every_minutes: int = Field(ge=SHORTEST_INTERVAL_MINUTES, le=LONGEST_INTERVAL_MINUTES)
    starts_at: Moment | None = Field(None, description="What is counted from; null: when it was created.")


class NewLabelsTrigger(Strict):
    """When so many labels came into split train since it fired last (or was created); waits for an open round."""

    kind: Literal[TriggerKind.NEW_LABELS]
    count: int = Field(ge=1, le=10**6)


class DateTrigger(Strict):
    """Once."""

    kind: Literal[TriggerKind.DATE]
    at: Moment = Field(description="Without an offset: the clock time of the zone.")


Trigger = Annotated[
    CronTrigger | IntervalTrigger | NewLabelsTrigger | DateTrigger, Field(discriminator="kind")
]


def _resolve(trigger: Trigger, time_zone: str) -> None:
    """Replace clock times by moments, once and for all."""
    if isinstance(trigger, DateTrigger):
        trigger.at = local_moment(trigger.at, zone_of(time_zone))
    if isinstance(trigger, IntervalTrigger) and trigger.starts_at is not None:
        trigger.starts_at = local_moment(trigger.starts_at, zone_of(time_zone))


class ScheduleCreate(Strict):
    """A new schedule."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "every night",
                "trigger": {"kind": "cron", "expression": "0 2 * * *"},
                "time_zone": "Europe/Berlin",
                "configuration": {"auto_approve": {"sources": ["simulation"]}},
            }
        },
    )

    name: Label
    trigger: Trigger
    time_zone: TimeZone = "UTC"
    misfire: MisfireRule = Field(
        MisfireRule.RUN_ONCE,
        description="When a due time could not be kept, because nothing ran then or a round was open.",
    )
    action: ScheduledAction = ScheduledAction.ROUND
    configuration: RoundConfiguration = RoundConfiguration()

    @model_validator(mode="after")
    def _in_zone(self) -> Self:
        _resolve(self.trigger, self.time_zone)
        return self


class ScheduleUpdate(Strict):
    """What is given replaces what was; a new trigger comes with its time zone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"trigger": {"kind": "new_labels", "count": 20}, "time_zone": "Europe/Berlin"}
        },
    )

    name: Label | None = None
    trigger: Trigger | None = None
    time_zone: TimeZone | None = None
    misfire: MisfireRule | None = None
    configuration: RoundConfiguration | None = None

    @model_validator(mode="after")
    def _in_zone(self) -> Self:
        if (self.trigger is None) != (self.time_zone is None):
            raise ValueError("give `trigger` and `time_zone` together")
        if self.trigger is not None and self.time_zone is not None:
            _resolve(self.trigger, self.time_zone)
        return self


class NextRun(BaseModel):
    due_at: datetime
    local: str = Field(description="The same moment on the clock of the time zone.")


class ScheduleRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    name: str
    status: ScheduleStatus
    trigger: Trigger
    time_zone: str
    misfire: MisfireRule
    action: ScheduledAction
    configuration: dict[str, Any]
    next_due_at: datetime | None
    next_runs: list[NextRun] = Field([], description="The next five; none while it is paused.")
    labels_missing: int | None = Field(None, description="Labels until a `new_labels` schedule is due.")
    created_by: str
    created_at: datetime
    changed_at: datetime | None


class FiringRead(BaseModel):
    """A due time and what came of it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    schedule_id: int
    due_at: datetime
    fired_at: datetime
    outcome: FiringOutcome
    reason: str
    round_id: int | None
