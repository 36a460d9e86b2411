"""SQL of the signs of life; all times are the database's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.database.models import Process
from service.vocabulary import ProcessKind


def say_alive(
    session: Session, kind: ProcessKind, *, host: str, pid: int, queues: Sequence[str], is_new: bool
) -> None:
    """Write that the process lives; a new one with the place of an ended one takes over its row."""
    row = {"kind": kind, "host": host, "pid": pid, "queues": list(queues)}
    changes = {"seen_at": func.clock_timestamp(), "queues": list(queues)}
    if is_new:
        changes["started_at"] = func.clock_timestamp()
    statement = insert(Process).values(**row)
    session.execute(statement.on_conflict_do_update(index_elements=["host", "pid", "kind"], set_=changes))


def forget(session: Session, kind: ProcessKind, *, host: str, pid: int) -> None:
    session.execute(delete(Process).where(Process.kind == kind, Process.host == host, Process.pid == pid))


def forget_silent(session: Session, *, longer_than_s: float) -> None:
    """Delete those that have been silent for so long."""
    silent = Process.seen_at < func.clock_timestamp() - timedelta(seconds=longer_than_s)
    session.execute(delete(Process).where(silent))


def living(session: Session, *, within_s: float) -> Sequence[Process]:
    """Those that gave a sign of life within the last seconds."""
    heard = Process.seen_at >= func.clock_timestamp() - timedelta(seconds=within_s)
    return session.scalars(select(Process).where(heard).order_by(Process.id)).all()
