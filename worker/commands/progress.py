"""A progress display for those who wait: nothing for quick work, nothing in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

SHOW_AFTER_S = 2.0


@contextmanager
def patient_progress(console: Console, title: str) -> Iterator[Callable[[float, str], None]]:
    """A callback (fraction, message) that draws a bar with the time that is left.

    The bar appears after 2 s if `console` is a terminal, and is wiped away at the end.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[message]}"),
        console=console,
        transient=True,
    )
    task = bar.add_task(title, total=1.0, message="")
    started = time.monotonic()
    shown = False

    def report(fraction: float, message: str) -> None:
        nonlocal shown
        if not shown and console.is_terminal and time.monotonic() - started > SHOW_AFTER_S:
            bar.start()
            shown = True
        bar.update(task, completed=fraction, message=message)

    try:
        yield report
    finally:
        if shown:
            bar.stop()
