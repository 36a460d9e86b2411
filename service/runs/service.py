"""Rules that valuation runs, acquisition rounds and imports share: request, cancel, reap."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.database.models import (
    AcquisitionRound,
    Backtest,
    ImportRun,
    Replay,
    RunAttempt,
    SimulationRun,
    ValuationRun,
)
from service.errors import ConflictError, NotFoundError
from service.lifecycles import AttemptOutcome, RunStatus
from service.logs import LogLine, logged_as
from service.queue.client import enqueue
from service.queue.messages import QUEUE_OF_TASK, Message, Queue, TaskName
from service.runs import repository

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

AnyRun = ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay | SimulationRun
TASK_OF_RUN: dict[type[AnyRun], TaskName] = {
    ValuationRun: TaskName.VALUATION_RUN,
    AcquisitionRound: TaskName.ACQUISITION_RANK,
    ImportRun: TaskName.IMPORT_RUN,
    Backtest: TaskName.BACKTEST_RUN,
    Replay: TaskName.ACQUISITION_REPLAY,
    SimulationRun: TaskName.SIMULATION_RUN,
}
LOST = "waiting: the worker before was lost"


def about(run: AnyRun) -> dict[str, Any]:
    """What every log line of the run carries, whoever writes it: also when its message is sent again."""
    return {
        "run_kind": run.__tablename__,
        "run_id": run.id,
        "campaign_id": run.campaign_id,
        "request_id": run.request_id,
    }


def send(session: Session, run: AnyRun) -> None:
    """Send the run's message once the transaction stands; it names the request that asked for the run."""
    with logged_as(**about(run)):
        enqueue(session, Message(TASK_OF_RUN[type(run)], run.id))


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
    send(session, run)


def cancel(session: Session, run: AnyRun, *, actor: str) -> None:
    """End a waiting run at once, ask a running one to stop.

    Raises:
        ConflictError: if the run has ended already.
    """
    if run.status.is_terminal:
        message = f"The run has ended already: {run.status}."
        raise ConflictError(message, hint="Only a queued or running one can be cancelled.")
    before = {"status": run.status}
    run.cancel_requested = True
    if run.status is RunStatus.QUEUED:
        run.progress_message = "cancelled before it started"
        repository.close(session, run, RunStatus.CANCELLED)
    after = {"status": run.status, "cancel_requested": True}
    audit.record(
        session,
        actor,
        "cancel",
        run.__tablename__,
        run.id,
        campaign_id=run.campaign_id,
        before=before,
        after=after,
    )


def newest(
    session: Session, kind: type[repository.Run], campaign_id: int, *, limit: int
) -> Sequence[repository.Run]:
    """The newest runs of a kind."""
    return repository.newest(session, kind, campaign_id, limit)


def find(
    session: Session, kind: type[repository.Run], campaign_id: int, run_id: int
) -> repository.Run | None:
    """A run of the campaign; None when the campaign has none of that kind and id."""
    return repository.find(session, kind, campaign_id, run_id)


def get(session: Session, kind: type[repository.Run], run_id: int) -> repository.Run:
    """A run of any campaign that exists for who asks.

    Raises:
        NotFoundError: if there is none of that kind with this id.
    """
    run = repository.get(session, kind, run_id)
    if run is None:
        raise NotFoundError(f"There is no such run: {kind.__tablename__} {run_id}.")
    return run


def queue_places(session: Session) -> dict[tuple[type[AnyRun], int], tuple[Queue, int]]:
    """Of each queued run its queue and its place there, from 1: among those that exist for who asks.

    Workers fetch by the order of the messages: a run that was sent again may stand further behind.
    """
    waiting: dict[Queue, list[tuple[datetime, int, type[AnyRun]]]] = {}
    for kind, task in TASK_OF_RUN.items():
        lines = waiting.setdefault(QUEUE_OF_TASK[task], [])
        lines += [(created_at, run_id, kind) for created_at, run_id in repository.queued_ids(session, kind)]
    return {
        (kind, run_id): (queue, place)
        for queue, lines in waiting.items()
        for place, (_, run_id, kind) in enumerate(sorted(lines, key=lambda line: line[:2]), 1)
    }


def running(session: Session) -> list[AnyRun]:
    """Runs that a worker has taken, of all kinds and of all campaigns that exist for who asks."""
    return [run for kind in TASK_OF_RUN for run in repository.running(session, kind)]


def history(session: Session, run: AnyRun) -> Sequence[RunAttempt]:
    """How each attempt at the run ended, oldest first; the one under way stands in the run itself."""
    return repository.attempts(session, run)


def reap(session: Session, *, attempts: int) -> list[LogLine]:
    """Take runs from workers that gave no sign of life; one whose worker was lost `attempts` times fails.

    Returns:
        A line for the log on each run that was touched.
    """
    lines = []
    for kind in TASK_OF_RUN:
        for run in repository.lapsed(session, kind):
            lose(
                session, run, attempts=attempts, reason=f"no sign of life; it was at '{run.progress_message}'"
            )
            text = f"{kind.__tablename__} {run.id} lost its worker {run.worker}: {run.status}"
            lines.append(LogLine(text, about(run)))
    return lines


def overdue(session: Session, *, grace_s: float) -> list[Message]:
    """Messages of queued runs that were sent `grace_s` ago or before: they wait in the broker, or are lost."""
    return [
        Message(task, run.id)
        for kind, task in TASK_OF_RUN.items()
        for run in repository.waiting(session, kind, longer_than_s=grace_s)
    ]


def resend(session: Session, *, grace_s: float, in_broker: Set[Message]) -> list[LogLine]:
    """Send again the overdue messages that no queue holds any more.

    Returns:
        A line for the log on each run that was touched.
    """
    lines = []
    for kind, task in TASK_OF_RUN.items():
        for run in repository.waiting(session, kind, longer_than_s=grace_s):
            if Message(task, run.id) not in in_broker:
                repository.mark_sent(run)
                send(session, run)
                text = f"{kind.__tablename__} {run.id} waits and no queue holds it: sent again"
                lines.append(LogLine(text, about(run)))
    return lines


def lose(session: Session, run: AnyRun, *, attempts: int, reason: str) -> None:
    """End the attempt of a locked run as lost: the run waits for another, or fails when it had enough.

    The reaper of this or the next pass sends it.
    """
    repository.record(session, run, AttemptOutcome.LOST, message=reason)
    session.flush()
    lost = repository.count_lost(session, run)
    run.lease_expires_at = None
    if run.cancel_requested:
        repository.close(session, run, RunStatus.CANCELLED)
    elif lost < attempts:
        run.status, run.progress_message = RunStatus.QUEUED, LOST
    else:
        run.error_code, run.error_message = "worker_lost", _obituary(repository.attempts(session, run), lost)
        repository.close(session, run, RunStatus.FAILED)


def _obituary(ended: Sequence[RunAttempt], lost: int) -> str:
    lines = [f"attempt {line.attempt} on {line.worker}: {line.message}" for line in ended]
    head = f"The worker was lost {lost} times; see its log, then request a new run."
    return "\n".join([head, *lines])[:2000]
