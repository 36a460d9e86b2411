"""One campaign at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal

from service.admin.contexts.advice import (
    ArmsView,
    GaugeView,
    IntervalView,
    NextRound,
    RoundStart,
    RoundView,
    StopView,
)
from service.admin.contexts.base import Context, Frame
from service.admin.contexts.shared import EvidenceView, RunLine, ValueLine
from service.admin.quality import Quality


@dataclass(frozen=True)
class Money:
    """The budget; shares are of the budget, in percent, None without one."""

    budget: Decimal | None
    spent: Decimal
    committed: Decimal
    remaining: Decimal | None
    currency: str
    spent_percent: float | None
    committed_percent: float | None


@dataclass(frozen=True)
class Figure:
    """A count with its name and what it means."""

    label: str
    value: int
    note: str


@dataclass(frozen=True)
class Task:
    """Something that waits for the reader; `url` leads to where it is done."""

    text: str
    url: str | None
    tone: Literal["action", "info", "problem"]


@dataclass(frozen=True, kw_only=True)
class OverviewContext(Context):
    """One campaign at a glance.

    Attributes:
        frame: the layout's needs.
        description: of the campaign, may be empty.
        target: what is predicted, with its unit.
        domain: the target domain in words.
        tasks: what needs the reader now, most urgent first.
        figures: counts of samples.
        money: the budget and what is left of it.
        quality: of the surrogate in use, None before the first.
        round: the open round or the one that was closed last, None before the first.
        start_round: what would be started; None while one is open, or there is nothing to value.
        next_round: what starts the next one by itself, None when nothing does.
        learning: data of the chart of error against money.
        learning_note: what the error was measured on, empty before the first surrogate.
        evidence: of the newest round.
        interval: that evidence as a change in percent, None without a backtest.
        arms: chosen against random picks over all rounds.
        gauge: how much choosing can help.
        stop: whether to go on.
        runs: newest valuation runs and rounds together.
        suspicious: the samples of lowest data value.
        values_url: the page that lists all of them.
    """

    template: ClassVar[str] = "overview.html"
    frame: Frame
    description: str
    target: str
    domain: str
    tasks: Sequence[Task]
    figures: Sequence[Figure]
    money: Money
    quality: Quality | None
    round: RoundView | None
    start_round: RoundStart | None
    next_round: NextRound | None
    learning: Mapping[str, Any]
    learning_note: str
    evidence: EvidenceView
    interval: IntervalView | None
    arms: ArmsView
    gauge: GaugeView
    stop: StopView
    runs: Sequence[RunLine]
    suspicious: Sequence[ValueLine]
    values_url: str
