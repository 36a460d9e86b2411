"""The life of a run on the worker's side: claim, sign of life, cancellation, end. No transaction outlives a step."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import (
    AcquisitionRound,
    Backtest,
    ImportRun,
    Replay,
    SimulationRun,
    ValuationRun,
)
from service.errors import CrashscoutError
from service.lifecycles import RunStatus
from service.logs import hider, logged_as
from service.rounds import repository as rounds
from service.runs import repository as runs
from service.runs import service as runs_service
from service.runs.heartbeat import Heartbeat
from service.settings import Settings
from service.vocabulary import LogLevel
from worker.acquisition.errors import AcquisitionError
from worker.lossval.errors import LossValError
from worker.tasks.run_log import RunLog, listening

logger = logging.getLogger(__name__)
AnyRun = ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay | SimulationRun
LONGEST_MESSAGE = 2000
# Nobody else in a worker uses it; the system's own meaning of it is taken away for good, see `_receive`.
INTERRUPT = signal.SIGALRM
# The checks before storing passed in two runs at the same instant; the constraint let one through.
COLLISION = "Another run stored a result for the same rows at the same moment: request this one again."


class RunCancelledError(Exception):
    """Somebody asked for it."""


class RunLostError(Exception):
    """The run is no longer ours: its lease lapsed and another worker has it."""


class ActiveRun:
    """A claimed run: the algorithm reports to it and never sees a session.

    The heartbeat writes what was reported last, extends the lease, and learns of a cancellation or a loss; the
    computation learns of these at its next report, and in an `interruptible` block at once. What is said to `log`
    is stored with the signs of life.
    """

    def __init__(self, sessions: sessionmaker[Session], run: AnyRun, lease_s: int, log: RunLog) -> None:
        self.row = run
        self.log = log
        self._sessions = sessions
        self._lease_s = lease_s
        self._said = (run.progress, run.progress_message)
        self._verdict: type[RunCancelledError | RunLostError] | None = None
        self._held = 1  # above 0 while nothing may be interrupted

    def alive(self) -> Heartbeat:
        """A heartbeat for as long as its block lasts."""
        return Heartbeat(self.beat, name=f"{self.row.__tablename__} {self.row.id}")

    def beat(self) -> None:
        """Give a sign of life, and interrupt the computation when it is in vain."""
        progress, message = self._said
        with unit_of_work(self._sessions) as session:
            cancel = runs.beat(
                session,
                type(self.row),
                self.row,
                progress=progress,
                message=message,
                lease_s=self._lease_s,
            )
            forget = self.log.store(session, self.row)
        forget()
        if cancel is None:
            self._verdict = RunLostError
        elif cancel:
            self._verdict = RunCancelledError
        if self._verdict and self._held == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)

    @contextmanager
    def transaction(self, *, frozen: bool = False) -> Iterator[Session]:
        """One transaction, which no cancellation interrupts."""
        self._held += 1
        try:
            with unit_of_work(self._sessions, frozen=frozen) as session:
                yield session
        finally:
            self._held -= 1

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Raise a cancellation or loss in the middle of the block, however seldom it reports.

        Only for a computation that nothing is kept of when it ends early. One call into C is finished first.
        """
        if threading.current_thread() is threading.main_thread():
            _receive(self)
            self._held -= 1
            try:
                yield
            finally:
                self._held += 1
        else:  # signals reach the main thread only: elsewhere the reports must do
            yield
        self.check()

    def interrupt(self) -> None:
        """The signal has come."""
        if self._held == 0:
            self.check()

    def check(self) -> None:
        """Raise when the run was cancelled or lost."""
        if self._verdict is not None:
            raise self._verdict

    def report(self, progress: float, message: str) -> None:
        """Say where the computation stands; raises when the run was cancelled or lost. Costs nothing."""
        self._said = (min(max(progress, 0.0), 1.0), message[:400])
        self.log.progress(message)
        self.check()

    def end(self, status: RunStatus, message: str, *, code: str | None = None) -> None:
        """Close the row without a result."""
        failed = status is RunStatus.FAILED
        self.log.say(message, LogLevel.ERROR if failed else LogLevel.WARNING)
        with self.transaction() as session:
            runs.finish(
                session,
                type(self.row),
                self.row,
                status,
                progress_message=message[:400],
                error_code=code if failed else None,
                error_message=message[:LONGEST_MESSAGE] if failed else None,
            )

    def store_last_words(self) -> None:
        """What was said since the last sign of life; a log that cannot be stored fails nothing."""
        try:
            with self.transaction() as session:
                forget = self.log.store(session, self.row, is_last=True)
            forget()
        except SQLAlchemyError as error:
            logger.warning("the last lines of the run's log are lost: %s", error)

    def give_up(self, attempts: int, reason: str) -> None:
        """End the attempt as lost, so that another one follows."""
        with self.transaction() as session:
            row = runs.lock_ours(session, type(self.row), self.row)
            if row is not None:
                runs_service.lose(session, row, attempts=attempts, reason=reason)


def _receive(run: ActiveRun) -> None:
    """Let the signal reach this run.

    The handler stays when the run has ended: a signal that comes late must not meet the system's default, which
    ends the process.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        run.interrupt()

    signal.signal(INTERRUPT, handle)


def execute(
    kind: type[AnyRun],
    run_id: int,
    compute: Callable[[ActiveRun], None],
    *,
    sessions: sessionmaker[Session],
    settings: Settings,
) -> None:
    """Claim the run, compute, and leave the row in an ended state whatever happens.

    A run that is not queued (done already, cancelled, or another worker's) is left alone: messages may
    arrive twice. An attempt during which the database went away is lost, and another one follows.
    """
    worker = f"{socket.gethostname()}:{os.getpid()}"
    with unit_of_work(sessions) as session:
        claimed = runs.claim(session, kind, run_id, worker=worker, lease_s=settings.run_lease_s)
        round_id = claimed and rounds.id_behind(session, claimed)
    if claimed is None:
        logger.info("%s %s is not queued: nothing to do", kind.__tablename__, run_id)
        return
    # A run whose row names no round may still have a message that does.
    with logged_as(**runs_service.about(claimed), **({"round_id": round_id} if round_id else {})):
        log = RunLog(hider(settings))
        run = ActiveRun(sessions, claimed, settings.run_lease_s, log)
        with listening(log, claimed):
            _carry_out(run, compute, settings)


def _carry_out(run: ActiveRun, compute: Callable[[ActiveRun], None], settings: Settings) -> None:
    kind, run_id = run.row.__tablename__, run.row.id
    logger.info("attempt %d begins", run.row.attempt)
    run.log.say(f"attempt {run.row.attempt} begins on {run.row.worker}")
    try:
        with run.alive():
            compute(run)
        logger.info("the attempt is done")
        run.log.say("the attempt is done")
    except RunCancelledError:
        run.end(RunStatus.CANCELLED, "cancelled while it ran")
    except RunLostError:
        logger.warning("%s %s was taken over by another worker", kind, run_id)
    except (LossValError, AcquisitionError, CrashscoutError) as error:
        run.end(RunStatus.FAILED, str(error), code=getattr(error, "code", "invalid_data"))
    except IntegrityError as error:
        logger.warning("%s %s collided while it stored", kind, run_id, exc_info=error)
        run.end(RunStatus.FAILED, COLLISION, code="conflict")
    except (OperationalError, InterfaceError) as error:
        _lose(run, settings.run_attempts, error)
    except Exception as error:
        run.end(RunStatus.FAILED, f"unexpected {type(error).__name__}: {error}", code="internal")
        raise
    finally:
        run.store_last_words()


def _lose(run: ActiveRun, attempts: int, cause: OperationalError | InterfaceError) -> None:
    """The database was away or had no room: a later attempt may fare better."""
    name = f"{run.row.__tablename__} {run.row.id}"
    logger.warning("%s was interrupted", name, exc_info=cause)
    try:
        run.give_up(attempts, f"the database failed: {cause.orig}")
    except SQLAlchemyError as error:
        logger.warning("%s is left to its lease: %s", name, error)
