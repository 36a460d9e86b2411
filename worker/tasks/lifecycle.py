"""The life of a run on the worker's side: claim, progress, cancellation, end. No transaction outlives a step."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Backtest, ImportRun, Replay, ValuationRun
from service.errors import CrashscoutError
from service.lifecycles import RunStatus
from service.runs import repository as runs
from service.settings import Settings
from worker.acquisition.errors import AcquisitionError
from worker.lossval.errors import LossValError

logger = logging.getLogger(__name__)
AnyRun = ValuationRun | AcquisitionRound | ImportRun | Backtest | Replay
# The row is written at most so often, however chatty the algorithm is.
REPORT_EVERY_S = 0.5
LONGEST_MESSAGE = 2000
# The checks before storing passed in two runs at the same instant; the constraint let one through.
COLLISION = "Another run stored a result for the same rows at the same moment: request this one again."


class RunCancelledError(Exception):
    """Somebody asked for it; raised out of the progress callback."""


class RunLostError(Exception):
    """The run is no longer ours: its lease lapsed and another worker has it."""


class ActiveRun:
    """A claimed run: the algorithm reports to it and never sees a session."""

    def __init__(self, sessions: sessionmaker[Session], run: AnyRun, lease_s: int) -> None:
        self.row = run
        self._sessions = sessions
        self._lease_s = lease_s
        self._reported_at = float("-inf")

    def transaction(self, *, frozen: bool = False) -> AbstractContextManager[Session]:
        return unit_of_work(self._sessions, frozen=frozen)

    def report(self, progress: float, message: str) -> None:
        """Write progress now and then; raises when the run was cancelled or lost."""
        now = time.monotonic()
        if now - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = now
        with self.transaction() as session:
            cancel = runs.report(
                session,
                type(self.row),
                self.row,
                progress=min(max(progress, 0.0), 1.0),
                message=message[:400],
                lease_s=self._lease_s,
            )
        if cancel is None:
            raise RunLostError
        if cancel:
            raise RunCancelledError

    def end(self, status: RunStatus, message: str, *, code: str | None = None) -> None:
        """Close the row without a result."""
        failed = status is RunStatus.FAILED
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
    arrive twice.
    """
    worker = f"{socket.gethostname()}:{os.getpid()}"
    with unit_of_work(sessions) as session:
        claimed = runs.claim(session, kind, run_id, worker=worker, lease_s=settings.run_lease_s)
    if claimed is None:
        logger.info("%s %s is not queued: nothing to do", kind.__tablename__, run_id)
        return
    run = ActiveRun(sessions, claimed, settings.run_lease_s)
    try:
        compute(run)
    except RunCancelledError:
        run.end(RunStatus.CANCELLED, "cancelled while it ran")
    except RunLostError:
        logger.warning("%s %s was taken over by another worker", kind.__tablename__, run_id)
    except (LossValError, AcquisitionError, CrashscoutError) as error:
        run.end(RunStatus.FAILED, str(error), code=getattr(error, "code", "invalid_data"))
    except IntegrityError as error:
        logger.warning("%s %s collided while it stored", kind.__tablename__, run_id, exc_info=error)
        run.end(RunStatus.FAILED, COLLISION, code="conflict")
    except Exception as error:
        run.end(RunStatus.FAILED, f"unexpected {type(error).__name__}: {error}", code="internal")
        raise
