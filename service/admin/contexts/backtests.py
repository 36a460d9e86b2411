"""Backtests: the list with the form that starts one, and one of them with its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from service.admin.contexts.advice import IntervalView
from service.admin.contexts.base import Context, FormField, Frame
from service.lifecycles import RunStatus
from service.vocabulary import Evidence


@dataclass(frozen=True)
class BacktestLine:
    """A backtest at a glance; `verdict` and `strategy` are what `auto` takes by it, once it has succeeded."""

    id: int
    url: str
    status: RunStatus
    progress_percent: float
    message: str
    seconds_left: float | None
    duration_s: float | None
    created_at: datetime
    requested_by: str
    settings: str
    error: str | None
    verdict: Evidence | None
    strategy: str
    is_cancelling: bool


@dataclass(frozen=True)
class StrategyLine:
    """One strategy against random picks; savings at equal error: the amount, and its share with the interval."""

    name: str
    verdict: Evidence
    sentence: str
    interval: IntervalView | None
    labels_saved: tuple[str, str]
    money_saved: tuple[str, str]


@dataclass(frozen=True)
class ReportView:
    """What a succeeded backtest says.

    `facts` are names with their values; `reason` says what is missing for a verdict, if something is.
    """

    verdict: Evidence
    sentence: str
    reason: str
    lines: Sequence[StrategyLine]
    facts: Sequence[tuple[str, str]]
    chart: Mapping[str, Any]
    note: str


@dataclass(frozen=True, kw_only=True)
class BacktestsContext(Context):
    """The list of backtests.

    Attributes:
        frame: the layout's needs.
        rows: newest first.
        shown: how many are shown at most.
        labelled: samples that a backtest can replay; without any none can start.
        fields: settings that most people look at.
        more_fields: the other settings.
    """

    template: ClassVar[str] = "backtests.html"
    frame: Frame
    rows: Sequence[BacktestLine]
    shown: int
    labelled: int
    fields: Sequence[FormField]
    more_fields: Sequence[FormField]


@dataclass(frozen=True, kw_only=True)
class BacktestProgressContext(Context):
    """The part of a backtest's page that is asked for again while it runs.

    Attributes:
        backtest: where it stands.
        live_url: its own address.
    """

    template: ClassVar[str] = "backtest_progress.html"
    backtest: BacktestLine
    live_url: str


@dataclass(frozen=True, kw_only=True)
class BacktestContext(BacktestProgressContext):
    """One backtest.

    Attributes:
        backtest: where it stands.
        live_url: address of the live part.
        cancel_url: where it is cancelled.
        frame: the layout's needs.
        list_url: all backtests.
        report: what it says, None while it has not succeeded.
    """

    template: ClassVar[str] = "backtest.html"
    frame: Frame
    cancel_url: str
    list_url: str
    report: ReportView | None
