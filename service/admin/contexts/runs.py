"""Runs and rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from service.admin.contexts.base import Context, FormField, Frame
from service.admin.contexts.shared import RunLine
from service.runs.schemas import AttemptRead


@dataclass(frozen=True, kw_only=True)
class RunsLiveContext(Context):
    """The part of the page of runs that is asked for again while something runs.

    Attributes:
        live_url: its own address.
        is_active: whether something waits or runs.
        valuation_runs: newest first.
        rounds: newest first.
        others: backtests, replays, simulations and imports, newest first.
        shown: how many of each are shown at most.
    """

    template: ClassVar[str] = "runs_live.html"
    live_url: str
    is_active: bool
    valuation_runs: Sequence[RunLine]
    rounds: Sequence[RunLine]
    others: Sequence[RunLine]
    shown: int


@dataclass(frozen=True, kw_only=True)
class RunsContext(RunsLiveContext):
    """Runs and rounds with their progress, and the forms that start them.

    Attributes:
        live_url: address of the live part.
        is_active: whether something waits or runs.
        valuation_runs: newest first.
        rounds: newest first.
        others: backtests, replays, simulations and imports, newest first.
        shown: how many of each are shown at most.
        frame: the layout's needs.
        valuation_fields: settings of a valuation run.
        round_fields: settings of an acquisition round.
        has_surrogate: a round needs one.
    """

    template: ClassVar[str] = "runs.html"
    frame: Frame
    valuation_fields: Sequence[FormField]
    round_fields: Sequence[FormField]
    has_surrogate: bool


@dataclass(frozen=True, kw_only=True)
class AttemptsContext(Context):
    """The history of one run, fetched when its line is opened.

    Attributes:
        name: of the run.
        attempts: how each that has ended did, oldest first.
    """

    template: ClassVar[str] = "attempts.html"
    name: str
    attempts: Sequence[AttemptRead]
