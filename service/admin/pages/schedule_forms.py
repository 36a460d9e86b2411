"""Schedules between their forms and the API's own requests, and in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from service.admin.formats import moment_utc, money, number, words
from service.schedules.schemas import (
    CronTrigger,
    DateTrigger,
    IntervalTrigger,
    NewLabelsTrigger,
    ScheduleRead,
    Trigger,
)
from service.schedules.times import zone_of
from service.vocabulary import MisfireRule, TriggerKind

KINDS = {
    TriggerKind.CRON.value: "at clock times",
    TriggerKind.INTERVAL.value: "every so many minutes",
    TriggerKind.NEW_LABELS.value: "after so many new labels",
    TriggerKind.DATE.value: "once",
}
MISFIRES = {
    MisfireRule.RUN_ONCE.value: "one round",
    MisfireRule.SKIP.value: "no round",
}
# Clock times that have a name: once on each of these days.
_DAILY = re.compile(r"(?P<minute>\d{1,2}) (?P<hour>\d{1,2}) \* \* (?P<days>\S+)")
_WEEK = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS = {"*": "every day", "1-5": "from Monday to Friday"} | {
    str(day): f"every {name}" for day, name in enumerate(_WEEK)
}
# The field that each kind of trigger reads.
FIELDS = {
    TriggerKind.CRON.value: "expression",
    TriggerKind.INTERVAL.value: "every_minutes",
    TriggerKind.NEW_LABELS.value: "count",
    TriggerKind.DATE.value: "at",
}
DEFAULTS = {
    "name": "", "kind": TriggerKind.CRON.value, "expression": "0 2 * * 1-5", "every_minutes": "1440", "count": "10",
    "at": "", "time_zone": "UTC", "misfire": MisfireRule.RUN_ONCE.value, "batch_size": "10", "budget": "",
    "decide_within_hours": "168", "approves": "no", "approve_budget": "",
}  # fmt: skip


def trigger_document(form: Mapping[str, str]) -> dict[str, str]:
    """The trigger of a form: of its fields the one that the kind needs."""
    kind = form.get("kind", "")
    document = {"kind": kind}
    field = FIELDS.get(kind)
    if field is not None and field in form:
        document[field] = form[field]
    return document


def create_document(form: Mapping[str, str]) -> dict[str, Any]:
    """A new schedule out of a flat form."""
    acquisition = {name: form[name] for name in ("batch_size", "budget") if name in form}
    configuration: dict[str, Any] = {"acquisition": acquisition}
    if "decide_within_hours" in form:
        configuration["decide_within_hours"] = form["decide_within_hours"]
    if form.get("approves") == "yes":
        budget = form.get("approve_budget")
        configuration["auto_approve"] = {"budget": budget} if budget else {}
    wanted = {name: form[name] for name in ("name", "time_zone", "misfire") if name in form}
    return wanted | {"trigger": trigger_document(form), "configuration": configuration}


def trigger_inputs(schedule: ScheduleRead) -> dict[str, str]:
    """What the form that changes the schedule shows."""
    trigger = schedule.trigger
    inputs = {
        "name": schedule.name,
        "kind": trigger.kind.value,
        "time_zone": schedule.time_zone,
        "misfire": schedule.misfire.value,
    }
    return inputs | {FIELDS[trigger.kind.value]: _input(trigger, schedule.time_zone)}


def _input(trigger: Trigger, time_zone: str) -> str:
    if isinstance(trigger, CronTrigger):
        return trigger.expression
    if isinstance(trigger, IntervalTrigger):
        return str(trigger.every_minutes)
    if isinstance(trigger, NewLabelsTrigger):
        return str(trigger.count)
    return trigger.at.astimezone(zone_of(time_zone)).strftime("%Y-%m-%dT%H:%M")


def when_in_words(trigger: Trigger) -> str:
    """What makes it due."""
    if isinstance(trigger, CronTrigger):
        return clock_in_words(trigger.expression)
    if isinstance(trigger, IntervalTrigger):
        return f"every {number(trigger.every_minutes, 0)} min"
    if isinstance(trigger, NewLabelsTrigger):
        return f"after {number(trigger.count, 0)} new labels"
    assert isinstance(trigger, DateTrigger)
    return f"once, {moment_utc(trigger.at)}"


def clock_in_words(expression: str) -> str:
    """`0 2 * * 1-5` as people say it; what is not so simple stays as it is."""
    found = _DAILY.fullmatch(expression)
    days = _DAYS.get(found["days"]) if found else None
    if found is None or days is None:
        return f"at clock times {expression}"
    return f"{days} at {int(found['hour']):02d}:{int(found['minute']):02d}"


def rules_in_words(configuration: Mapping[str, Any], currency: str) -> str:
    """How large its rounds are, and who decides."""
    acquisition = configuration.get("acquisition") or {}
    parts = [f"batch of {acquisition.get('batch_size', '?')}"]
    if acquisition.get("budget") is not None:
        parts.append(f"budget {money(Decimal(acquisition['budget']), currency)}")
    rules = configuration.get("auto_approve")
    if rules is None:
        return ", ".join([*parts, "people decide"])
    given = [_rule(name, value, currency) for name, value in rules.items() if value is not None]
    return ", ".join(parts) + f", approves by itself ({'; '.join(given) or 'everything'})"


def _rule(name: str, value: Any, currency: str) -> str:  # noqa: ANN401 - any JSON value
    if name in {"budget", "most_acquisition_cost"}:
        return f"{words(name)} {money(Decimal(value), currency)}"
    return f"{words(name)} {', '.join(map(words, value)) if isinstance(value, list) else value}"
