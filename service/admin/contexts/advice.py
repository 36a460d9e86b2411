"""What pages show of the advice: intervals, arms, the learning curve, the gauge, the stop rule, the round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.admin.contexts.base import FormField
from service.ledger.schemas import Band
from service.lifecycles import RoundEnd, RoundStep

StepState = Literal["done", "current", "ahead"]


@dataclass(frozen=True)
class IntervalView:
    """A change in percent with its interval, drawn on a scale from -`reach` to +`reach` percent.

    `left`, `width` and `middle` are places on that scale in percent of its width; `text` says it in words.
    """

    text: str
    reach: int
    left: float
    width: float
    middle: float
    is_certain: bool


@dataclass(frozen=True)
class ArmLine:
    """Picks of one arm; `error` is the RMSE of the frozen surrogate at their results, with its unit."""

    name: str
    picks: int
    results: int
    error: str


@dataclass(frozen=True)
class ArmsView:
    """Chosen against random picks; `ratio` is that of their mean squared errors, with its interval."""

    lines: Sequence[ArmLine]
    ratio: str
    sentence: str


@dataclass(frozen=True)
class GaugeView:
    """How much choosing can help; `place` on the scale in percent of its width, None when it is not known."""

    band: Band
    place: float | None
    value: str
    low_until: float
    medium_until: float
    sentence: str


@dataclass(frozen=True)
class CheckLine:
    """One reason to stop, with the words of its state."""

    state: Literal["reached", "not reached", "not judged"]
    sentence: str


@dataclass(frozen=True)
class StopView:
    """Whether to go on, and why."""

    must_stop: bool
    checks: Sequence[CheckLine]


@dataclass(frozen=True)
class StepLine:
    """A step of a round."""

    name: RoundStep
    state: StepState


@dataclass(frozen=True)
class RoundView:
    """Where a round stands; `waits_for` says for what, `deadline` until when.

    `name` goes by its ranking, as recommendations and ledger do; before that it is a new round.
    """

    id: int
    name: str
    steps: Sequence[StepLine]
    is_open: bool
    waits_for: str
    deadline: datetime | None
    deadline_text: str
    step_since: datetime
    requested_by: str
    detail: str
    stop_reason: str | None
    ended: RoundEnd | None
    can_close: bool
    counts: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class RoundStart:
    """What a round that is started now would do, with the settings that may be changed before."""

    text: str
    fields: Sequence[FormField]


@dataclass(frozen=True)
class NextRound:
    """What starts the next round by itself: at `due_at`, or when `labels_missing` more labels are in."""

    name: str
    due_at: datetime | None
    labels_missing: int | None
