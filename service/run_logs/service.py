"""Rules of run logs: bounded, readable while the run goes on, deleted when they are old."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from service.database.clock import database_time
from service.run_logs import repository
from service.run_logs.schemas import RunLogLineRead, RunLogRead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from service.run_logs.schemas import Said
    from service.runs.service import AnyRun

MOST_LINES = 5000  # of one run; the oldest go first
# The last words of a worker reach the log just after the end of the run.
SETTLED_AFTER = timedelta(seconds=5)


def append(session: Session, run: AnyRun, lines: Sequence[Said], *, cut: bool) -> None:
    """Store lines of the run's attempt.

    Args:
        session: its transaction holds the row of the run from now on.
        run: the run, with the number of the attempt.
        lines: oldest first; at least one.
        cut: whether to look for lines beyond `MOST_LINES`; a writer need not at each call.
    """
    repository.append(session, run, lines)
    if cut:
        repository.cut(session, run, keep=MOST_LINES)


def read_after(session: Session, run: AnyRun, *, after: int, limit: int) -> RunLogRead:
    """Lines behind an id, oldest first, and whether anything may follow."""
    # Looked at before the lines: what is final now has all its lines.
    is_over = _is_settled(session, run)
    rows = repository.lines_after(session, run, after, limit + 1)
    lines = [RunLogLineRead.model_validate(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return RunLogRead(
        lines=lines,
        next_after=lines[-1].id if lines else after,
        has_more=has_more,
        is_complete=is_over and not has_more,
    )


def read_before(
    session: Session, run: AnyRun, *, before: int, limit: int
) -> tuple[list[RunLogLineRead], bool]:
    """The last lines ahead of an id, oldest first, and whether there are older ones."""
    rows = repository.lines_before(session, run, before, limit + 1)
    lines = [RunLogLineRead.model_validate(row) for row in rows]
    return lines[-limit:], len(rows) > limit


def _is_settled(session: Session, run: AnyRun) -> bool:
    ended = run.finished_at if run.status.is_terminal else None
    return ended is not None and database_time(session) - ended > SETTLED_AFTER


def prune(session: Session, *, now: datetime, keep_days: int) -> int:
    """Delete lines that are older than the retention, a bounded number at once; how many."""
    return repository.prune(session, before=now - timedelta(days=keep_days))
