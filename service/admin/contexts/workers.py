"""Workers, beat, queues, and what `crashscout doctor` finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from service.admin.contexts.base import Context, Frame


@dataclass(frozen=True)
class ProcessLine:
    """A worker or a beat; `current` are (name, campaign's address, percent) of the runs that it is at."""

    name: str
    kind: str
    queues: Sequence[str]
    device: str
    started_at: datetime
    seen_at: datetime
    silent_s: float
    current: Sequence[tuple[str, str, float]]


@dataclass(frozen=True)
class QueueLine:
    """A queue; `waiting` is None when the broker does not answer."""

    name: str
    does: str
    workers: int
    waiting: int | None
    remedy: str


@dataclass(frozen=True, kw_only=True)
class WorkersLiveContext(Context):
    """The part of the page that is asked for again.

    Attributes:
        processes: those that were heard of lately.
        queues: all of them.
        has_beat: whether schedules and the reaper run.
        broker_trouble: why the broker does not answer; empty: it does.
    """

    template: ClassVar[str] = "workers_live.html"
    processes: Sequence[ProcessLine]
    queues: Sequence[QueueLine]
    has_beat: bool
    broker_trouble: str


@dataclass(frozen=True, kw_only=True)
class WorkersContext(WorkersLiveContext):
    """Who works, and on what.

    Attributes:
        processes: those that were heard of lately.
        queues: all of them.
        has_beat: whether schedules and the reaper run.
        broker_trouble: why the broker does not answer; empty: it does.
        frame: the layout's needs.
    """

    template: ClassVar[str] = "workers.html"
    frame: Frame


@dataclass(frozen=True)
class FindingLine:
    """One check of the doctor: what was seen, and what to do when it is not well."""

    check: str
    seen: str
    remedy: str
    is_well: bool


@dataclass(frozen=True, kw_only=True)
class FindingsContext(Context):
    """What `crashscout doctor` says; it takes a moment, so the page fetches it by itself.

    Attributes:
        findings: every check, in the doctor's order.
    """

    template: ClassVar[str] = "findings.html"
    findings: Sequence[FindingLine]
