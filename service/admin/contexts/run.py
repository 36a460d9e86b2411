"""One run: where it stands, and what the worker says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from service.admin.contexts.base import Context, Frame
from service.admin.contexts.shared import RunLine
from service.run_logs.schemas import RunLogLineRead
from service.runs.schemas import AttemptRead


@dataclass(frozen=True, kw_only=True)
class RunStateContext(Context):
    """Where a run stands, asked for again until it has ended.

    Attributes:
        run: the run as the table of all runs shows it.
        worker: who has it, or had it last; empty before the first attempt.
        state_url: address of this part.
        attempts: how each that has ended did, oldest first.
    """

    template: ClassVar[str] = "run_state.html"
    run: RunLine
    worker: str
    state_url: str
    attempts: Sequence[AttemptRead]


@dataclass(frozen=True, kw_only=True)
class RunLogContext(Context):
    """A part of the log: it takes the place of the button, or of the mark at the end, that asked for it.

    Attributes:
        lines: oldest first.
        earlier_url: where the lines before these are; None when these are the first, or follow what is shown.
        newer_url: where the lines after these come; None when nothing comes, or these stand before what is shown.
        has_more: whether newer ones are there already.
        closing: what stands below the last line, once nothing comes any more; else empty.
    """

    template: ClassVar[str] = "run_log.html"
    lines: Sequence[RunLogLineRead]
    earlier_url: str | None
    newer_url: str | None
    has_more: bool
    closing: str


@dataclass(frozen=True, kw_only=True)
class RunContext(RunStateContext, RunLogContext):
    """A run with its log.

    Attributes:
        run: the run as the table of all runs shows it.
        worker: who has it, or had it last; empty before the first attempt.
        state_url: address of the part that tells where it stands.
        attempts: how each that has ended did, oldest first.
        lines: the newest of the log, oldest first.
        earlier_url: where the lines before these are; None when these are the first.
        newer_url: where the lines after these come; None when nothing comes.
        has_more: whether newer ones are there already.
        closing: what stands below the last line, once nothing comes any more; else empty.
        frame: the layout's needs.
        about: name and address of what the run is about.
        keep_days: after how many days lines are deleted.
    """

    template: ClassVar[str] = "run.html"
    frame: Frame
    about: tuple[str, str]
    keep_days: int
