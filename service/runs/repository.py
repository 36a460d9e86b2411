"""SQL that valuation runs, acquisition rounds and imports share: claim, sign of life, end.

Every change is a compare-and-set on status and attempt: of two workers with the same run, one wins. All times
are the database's: a worker whose clock is wrong neither loses its own run nor takes another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    LargeBinary,
    and_,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.database.models import (
    AcquisitionRound,
    Backtest,
    ImportRun,
    Replay,
    RunAttempt,
    RunCheckpoint,
    SimulationRun,
    ValuationRun,
)
from service.lifecycles import AttemptOutcome, RunStatus
from service.pagination import PageRequest

AnyRun = ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay | SimulationRun
Run = TypeVar("Run", bound=ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay | SimulationRun)
# A sign of life does not queue behind the transaction that stores the result: the next one comes soon.
LONGEST_WAIT_MS = 2000


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


def find(session: Session, kind: type[Run], campaign_id: int, run_id: int) -> Run | None:
    statement = select(kind).where(kind.campaign_id == campaign_id, kind.id == run_id)
    return session.scalars(statement).one_or_none()


def get(session: Session, kind: type[Run], run_id: int) -> Run | None:
    return session.scalars(select(kind).where(kind.id == run_id)).one_or_none()


def queued_ids(session: Session, kind: type[Run]) -> list[tuple[datetime, int]]:
    """(when it was asked for, id) of the queued runs of a kind that exist for who asks."""
    statement = select(kind.created_at, kind.id).where(kind.status == RunStatus.QUEUED)
    return [(created_at, run_id) for created_at, run_id in session.execute(statement)]


def running(session: Session, kind: type[Run]) -> Sequence[Run]:
    statement = select(kind).where(kind.status == RunStatus.RUNNING)
    return session.scalars(statement.order_by(kind.id)).all()


def claim(session: Session, kind: type[Run], run_id: int, *, worker: str, lease_s: int) -> Run | None:
    """Take a queued run; None when it is not queued (any more)."""
    statement = (
        update(kind)
        .where(kind.id == run_id, kind.status == RunStatus.QUEUED)
        .values(
            status=RunStatus.RUNNING,
            attempt=kind.attempt + 1,
            worker=worker,
            lease_expires_at=func.now() + timedelta(seconds=lease_s),
            started_at=func.now(),
            progress=0.0,
            progress_message="loading the data",
        )
        .returning(kind)
    )
    return session.scalars(statement).one_or_none()


def _ours(kind: type[Run], run: Run) -> ColumnElement[bool]:
    """The run is in our attempt: it runs, or was thought lost and nobody else has taken it.

    Only a reaper leaves the worker's name on a queued run.
    """
    waits = and_(kind.status == RunStatus.QUEUED, kind.worker == run.worker)
    return and_(kind.id == run.id, kind.attempt == run.attempt, or_(kind.status == RunStatus.RUNNING, waits))


def beat(
    session: Session, kind: type[Run], run: Run, *, progress: float, message: str, lease_s: int
) -> bool | None:
    """Give a sign of life; whether a cancellation was asked for, None if the run is no longer ours.

    A run that was thought lost, and that nobody has claimed since, is taken back.
    """
    session.execute(select(func.set_config("lock_timeout", str(LONGEST_WAIT_MS), true())))
    statement = (
        update(kind)
        .where(_ours(kind, run))
        .values(
            status=RunStatus.RUNNING,
            progress=progress,
            progress_message=message,
            lease_expires_at=func.now() + timedelta(seconds=lease_s),
        )
        .returning(kind.cancel_requested)
    )
    return session.scalars(statement).one_or_none()


def annotate(session: Session, kind: type[Run], run: Run, **values: Any) -> None:  # noqa: ANN401 - any column
    """Write columns of our attempt."""
    session.execute(update(kind).where(_ours(kind, run)).values(**values))


def finish(
    session: Session,
    kind: type[Run],
    run: Run,
    status: RunStatus,
    *,
    artefact_sha256: str | None = None,
    **values: Any,  # noqa: ANN401 - any column
) -> bool:
    """End our attempt, with a line of history, and forget its checkpoint; False when the run is no longer ours.

    A result that comes too late is noted as `late`, with its metrics and the hash of the artefact that the
    caller stores beside the row, and not stored.
    """
    statement = (
        update(kind)
        .where(_ours(kind, run))
        .values(status=status, finished_at=func.now(), lease_expires_at=None, **values)
    )
    message = str(values.get("error_message") or values.get("progress_message") or status)
    if cast("CursorResult[Any]", session.execute(statement)).rowcount == 0:
        if status is RunStatus.SUCCEEDED:
            late = {"metrics": values.get("metrics"), "artefact_sha256": artefact_sha256}
            record(session, run, AttemptOutcome.LATE, message="the result came too late", **late)
        return False
    record(session, run, AttemptOutcome(status.value), message=message)
    forget_checkpoint(session, run)
    return True


def record(session: Session, run: AnyRun, outcome: AttemptOutcome, *, message: str, **late: Any) -> None:  # noqa: ANN401
    """Add to the run's history how its attempt ended."""
    line = RunAttempt(
        run_kind=run.__tablename__,
        run_id=run.id,
        attempt=run.attempt,
        worker=run.worker,
        outcome=outcome,
        message=message[:2000],
        started_at=run.started_at,
        **late,
    )
    session.add(line)


def attempts(session: Session, run: AnyRun) -> Sequence[RunAttempt]:
    """The history of the run, oldest first."""
    statement = select(RunAttempt).where(*_attempts_of(run)).order_by(RunAttempt.id)
    return session.scalars(statement).all()


def count_lost(session: Session, run: AnyRun) -> int:
    """How often a worker of the run was lost."""
    lost = RunAttempt.outcome == AttemptOutcome.LOST
    return session.scalars(select(func.count(RunAttempt.id)).where(*_attempts_of(run), lost)).one()


def _attempts_of(run: AnyRun) -> tuple[ColumnElement[bool], ...]:
    return RunAttempt.run_kind == run.__tablename__, RunAttempt.run_id == run.id


def save_checkpoint(session: Session, run: AnyRun, *, data_hash: str, state: bytes) -> bool:
    """Replace the run's checkpoint; False, and nothing written, when the run is no longer ours."""
    kind = type(run)
    ours = select(
        literal(kind.__tablename__), kind.id, kind.attempt, literal(data_hash), literal(state, LargeBinary)
    ).where(_ours(kind, run))
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
    """Running runs whose worker gave no sign of life, locked against other reapers.

    One whose result is just being stored is locked by its worker and left out.
    """
    statement = (
        select(kind)
        .where(kind.status == RunStatus.RUNNING, kind.lease_expires_at < func.now())
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def lock_ours(session: Session, kind: type[Run], run: Run) -> Run | None:
    """The row of our attempt, locked; None when the run is no longer ours."""
    statement = select(kind).where(_ours(kind, run)).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def waiting(session: Session, kind: type[Run], *, longer_than_s: float) -> Sequence[Run]:
    """Queued runs whose message was sent a while ago, or never; locked against other reapers."""
    sent_at = func.coalesce(kind.sent_at, kind.created_at)
    statement = (
        select(kind)
        .where(kind.status == RunStatus.QUEUED, sent_at < func.now() - timedelta(seconds=longer_than_s))
        .order_by(kind.id)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def mark_sent(run: AnyRun) -> None:
    """Note that the message of a locked run is sent with this transaction."""
    run.sent_at = func.now()


def close(session: Session, run: AnyRun, status: RunStatus) -> None:
    """End a locked run in the session, and forget its checkpoint."""
    run.status, run.finished_at = status, func.now()
    forget_checkpoint(session, run)
    session.flush()  # the time comes from the database


def hand_back(session: Session, kind: type[Run], run: Run, **values: Any) -> bool:  # noqa: ANN401 - any column
    """Queue our unfinished run again, so that other work gets its turn; it does not count as a failure."""
    statement = (
        update(kind)
        .where(_ours(kind, run))
        .values(status=RunStatus.QUEUED, worker=None, lease_expires_at=None, sent_at=func.now(), **values)
    )
    if cast("CursorResult[Any]", session.execute(statement)).rowcount == 0:
        return False
    record(session, run, AttemptOutcome.HANDED_BACK, message=str(values.get("progress_message", "")))
    return True


def transaction_start(session: Session) -> datetime:
    """When the present transaction began, by the clock that also stamps the rows."""
    return session.execute(select(func.now())).scalar_one()
