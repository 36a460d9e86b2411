"""SQL that valuation runs, acquisition rounds and imports share: claim, progress, end.

Every change is a compare-and-set on status and attempt: of two workers with the same run, one wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, LargeBinary, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.database.models import (
    AcquisitionRound,
    Backtest,
    ImportRun,
    Replay,
    RunCheckpoint,
    ValuationRun,
)
from service.lifecycles import RunStatus
from service.pagination import PageRequest

AnyRun = ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay
Run = TypeVar("Run", bound=ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay)


def page(session: Session, kind: type[Run], campaign_id: int, request: PageRequest) -> Sequence[Run]:
    statement = (
        select(kind)
        .where(kind.campaign_id == campaign_id, kind.id > request.after)
        .order_by(kind.id)
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()


def newest(session: Session, kind: type[Run], campaign_id: int, limit: int) -> Sequence[Run]:
    statement = select(kind).where(kind.campaign_id == campaign_id).order_by(kind.id.desc()).limit(limit)
    return session.scalars(statement).all()


def claim(session: Session, kind: type[Run], run_id: int, *, worker: str, lease_s: int) -> Run | None:
    """Take a queued run; None when it is not queued (any more)."""
    now = datetime.now(UTC)
    statement = (
        update(kind)
        .where(kind.id == run_id, kind.status == RunStatus.QUEUED)
        .values(
            status=RunStatus.RUNNING,
            attempt=kind.attempt + 1,
            worker=worker,
            lease_expires_at=now + timedelta(seconds=lease_s),
            started_at=now,
            progress=0.0,
            progress_message="loading the data",
        )
        .returning(kind)
    )
    return session.scalars(statement).one_or_none()


def report(
    session: Session, kind: type[Run], run: Run, *, progress: float, message: str, lease_s: int
) -> bool | None:
    """Write progress and extend the lease; whether a cancellation was asked for, None if no longer ours."""
    statement = (
        update(kind)
        .where(kind.id == run.id, kind.status == RunStatus.RUNNING, kind.attempt == run.attempt)
        .values(
            progress=progress,
            progress_message=message,
            lease_expires_at=datetime.now(UTC) + timedelta(seconds=lease_s),
        )
        .returning(kind.cancel_requested)
    )
    return session.scalars(statement).one_or_none()


def annotate(session: Session, kind: type[Run], run: Run, **values: Any) -> None:  # noqa: ANN401 - any column
    """Write columns of our attempt."""
    session.execute(
        update(kind)
        .where(kind.id == run.id, kind.status == RunStatus.RUNNING, kind.attempt == run.attempt)
        .values(**values)
    )


def finish(session: Session, kind: type[Run], run: Run, status: RunStatus, **values: Any) -> bool:  # noqa: ANN401 - any column
    """End our attempt and forget its checkpoint; False when the run is no longer ours."""
    statement = (
        update(kind)
        .where(kind.id == run.id, kind.status == RunStatus.RUNNING, kind.attempt == run.attempt)
        .values(status=status, finished_at=datetime.now(UTC), lease_expires_at=None, **values)
    )
    if cast("CursorResult[Any]", session.execute(statement)).rowcount == 0:
        return False
    forget_checkpoint(session, run)
    return True


def save_checkpoint(session: Session, run: AnyRun, *, data_hash: str, state: bytes) -> bool:
    """Replace the run's checkpoint; False, and nothing written, when the run is no longer ours."""
    kind = type(run)
    ours = select(
        literal(kind.__tablename__), kind.id, kind.attempt, literal(data_hash), literal(state, LargeBinary)
    ).where(kind.id == run.id, kind.status == RunStatus.RUNNING, kind.attempt == run.attempt)
    # The row of the run is locked: it cannot end or change hands before the checkpoint stands.
    columns = ["run_kind", "run_id", "attempt", "data_hash", "state"]
    statement = insert(RunCheckpoint).from_select(columns, ours.with_for_update())
    newest_state = {name: statement.excluded[name] for name in ("attempt", "data_hash", "state")}
    statement = statement.on_conflict_do_update(
        index_elements=["run_kind", "run_id"], set_=newest_state | {"created_at": func.now()}
    )
    return session.scalars(statement.returning(RunCheckpoint.run_id)).one_or_none() is not None


def load_checkpoint(session: Session, run: AnyRun, *, data_hash: str) -> bytes | None:
    """State of an earlier attempt on the same data; None when there is none."""
    return session.scalars(
        select(RunCheckpoint.state).where(*_checkpoint_of(run), RunCheckpoint.data_hash == data_hash)
    ).one_or_none()


def forget_checkpoint(session: Session, run: AnyRun) -> None:
    session.execute(delete(RunCheckpoint).where(*_checkpoint_of(run)))


def _checkpoint_of(run: AnyRun) -> tuple[ColumnElement[bool], ...]:
    return RunCheckpoint.run_kind == run.__tablename__, RunCheckpoint.run_id == run.id


def lapsed(session: Session, kind: type[Run]) -> Sequence[Run]:
    """Running runs whose worker gave no sign of life, locked against other reapers."""
    statement = (
        select(kind)
        .where(kind.status == RunStatus.RUNNING, kind.lease_expires_at < datetime.now(UTC))
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def waiting(session: Session, kind: type[Run], *, longer_than_s: float) -> Sequence[Run]:
    """Queued runs that may never have been delivered; one that was handed back has until its lease."""
    now = datetime.now(UTC)
    statement = select(kind).where(
        kind.status == RunStatus.QUEUED,
        kind.created_at < now - timedelta(seconds=longer_than_s),
        or_(kind.lease_expires_at.is_(None), kind.lease_expires_at < now),
    )
    return session.scalars(statement).all()


def hand_back(session: Session, kind: type[Run], run: Run, *, lease_s: int, **values: Any) -> bool:  # noqa: ANN401 - any column
    """Queue our unfinished attempt again, so that other work gets its turn; it does not count as a failure."""
    statement = (
        update(kind)
        .where(kind.id == run.id, kind.status == RunStatus.RUNNING, kind.attempt == run.attempt)
        .values(
            status=RunStatus.QUEUED,
            attempt=kind.attempt - 1,
            lease_expires_at=datetime.now(UTC) + timedelta(seconds=lease_s),
            **values,
        )
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def database_time(session: Session) -> datetime:
    """When the present transaction began, by the clock that also stamps the rows."""
    return session.execute(select(func.now())).scalar_one()
