"""SQL of the lines that runs say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.database.models import RunLogLine
from service.run_logs.schemas import LONGEST_LINE, Said
from service.runs.repository import LONGEST_WAIT_MS, AnyRun

MOST_PRUNED = 10_000


def append(session: Session, run: AnyRun, lines: Sequence[Said]) -> None:
    """Store lines of the run's attempt; the row of the run is locked first: ids grow as transactions end.

    The times are the database's: a worker whose clock is wrong says how long ago it was.
    """
    session.execute(select(func.set_config("lock_timeout", str(LONGEST_WAIT_MS), True)))  # noqa: FBT003 - SQL's
    kind = type(run)
    session.execute(select(kind.id).where(kind.id == run.id).with_for_update())
    now_s = time.monotonic()
    rows = [
        {
            "run_kind": kind.__tablename__,
            "run_id": run.id,
            "attempt": run.attempt,
            "said_at": func.clock_timestamp() - timedelta(seconds=now_s - line.said_s),
            "level": line.level,
            "speaker": line.speaker,
            "text": line.text[:LONGEST_LINE],
        }
        for line in lines
    ]
    session.execute(insert(RunLogLine).values(rows))


def cut(session: Session, run: AnyRun, *, keep: int) -> None:
    """Delete all but the newest `keep` lines of the run."""
    oldest_kept = (
        select(RunLogLine.id).where(*_of(run)).order_by(RunLogLine.id.desc()).offset(keep - 1).limit(1)
    ).scalar_subquery()
    statement = delete(RunLogLine).where(*_of(run), RunLogLine.id < oldest_kept)
    session.execute(statement.execution_options(synchronize_session=False))


def lines_after(session: Session, run: AnyRun, after: int, limit: int) -> Sequence[RunLogLine]:
    """Lines behind an id, oldest first."""
    statement = select(RunLogLine).where(*_of(run), RunLogLine.id > after)
    return session.scalars(statement.order_by(RunLogLine.id).limit(limit)).all()


def lines_before(session: Session, run: AnyRun, before: int, limit: int) -> Sequence[RunLogLine]:
    """The last lines ahead of an id, oldest first."""
    statement = select(RunLogLine).where(*_of(run), RunLogLine.id < before)
    return session.scalars(statement.order_by(RunLogLine.id.desc()).limit(limit)).all()[::-1]


def _of(run: AnyRun) -> tuple[ColumnElement[bool], ...]:
    return RunLogLine.run_kind == run.__tablename__, RunLogLine.run_id == run.id


def prune(session: Session, *, before: datetime) -> int:
    """Delete older lines, a bounded number at once."""
    old = (
        select(RunLogLine.id)
        .where(RunLogLine.said_at < before)
        .order_by(RunLogLine.said_at)
        .limit(MOST_PRUNED)
    )
    statement = delete(RunLogLine).where(RunLogLine.id.in_(old)).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
