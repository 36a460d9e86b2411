"""Rules that valuation runs, acquisition rounds and imports share: request, cancel, reap."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.audit import repository as audit
from service.database.models import AcquisitionRound, Backtest, ImportRun, Replay, ValuationRun
from service.errors import ConflictError
from service.lifecycles import RunStatus
from service.queue.client import enqueue
from service.queue.messages import Message, TaskName
from service.runs import repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

AnyRun = ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay
TASK_OF_RUN: dict[type[AnyRun], TaskName] = {
    ValuationRun: TaskName.VALUATION_RUN,
    AcquisitionRound: TaskName.ACQUISITION_RANK,
    ImportRun: TaskName.IMPORT_RUN,
    Backtest: TaskName.BACKTEST_RUN,
    Replay: TaskName.ACQUISITION_REPLAY,
}
# A message normally arrives within milliseconds; after so long it is sent once more. Doubles are harmless.
DELIVERY_GRACE_S = 60.0


def submit(session: Session, run: AnyRun, *, actor: str) -> None:
    """Hand a newly added run to the workers once the transaction stands."""
    audit.record(
        session,
        actor,
        "request",
        run.__tablename__,
        run.id,
        campaign_id=run.campaign_id,
        after=run.configuration,
    )
    enqueue(session, Message(TASK_OF_RUN[type(run)], run.id))


def cancel(session: Session, run: AnyRun, *, actor: str) -> None:
    """End a waiting run at once, ask a running one to stop.

    Raises:
        ConflictError: if the run has ended already.
    """
    if run.status.is_terminal:
        message = f"The run has ended already: {run.status}."
        raise ConflictError(message, hint="Only a queued or running one can be cancelled.")
    run.cancel_requested = True
    if run.status is RunStatus.QUEUED:
        run.status = RunStatus.CANCELLED
        run.finished_at = datetime.now(UTC)
        run.progress_message = "cancelled before it started"
        repository.forget_checkpoint(session, run)
    audit.record(session, actor, "cancel", run.__tablename__, run.id, campaign_id=run.campaign_id)


def reap(session: Session, *, attempts: int) -> int:
    """Send again what was never delivered or whose worker died; give up after `attempts`.

    Returns:
        How many runs were touched.
    """
    touched = 0
    for kind, task in TASK_OF_RUN.items():
        for run in repository.lapsed(session, kind):
            _retry_or_fail(run, attempts)
            if run.status.is_terminal:
                repository.forget_checkpoint(session, run)
            touched += 1
        session.flush()
        for run in repository.waiting(session, kind, longer_than_s=DELIVERY_GRACE_S):
            enqueue(session, Message(task, run.id))
            touched += 1
    return touched


def _retry_or_fail(run: AnyRun, attempts: int) -> None:
    run.lease_expires_at = None
    if run.cancel_requested:
        run.status, run.finished_at = RunStatus.CANCELLED, datetime.now(UTC)
    elif run.attempt < attempts:
        run.status, run.progress_message = RunStatus.QUEUED, "waiting: the worker before was lost"
    else:
        run.status, run.finished_at = RunStatus.FAILED, datetime.now(UTC)
        run.error_code = "worker_lost"
        run.error_message = f"The worker was lost {run.attempt} times; see its log, then request a new run."
