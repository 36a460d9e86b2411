"""Signs of life of workers and beats, which health checks, `doctor` and metrics read."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.processes import repository
from service.vocabulary import ProcessKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from service.database.models import Process

# Several signs may be missed: a machine may be busy, a database be restarted.
SILENT_AFTER_S = 30.0
FORGOTTEN_AFTER_S = 24 * 3600.0


def say_alive(
    session: Session, kind: ProcessKind, *, queues: Sequence[str] = (), is_new: bool = False
) -> None:
    """The sign of life of this process."""
    repository.say_alive(
        session, kind, host=socket.gethostname(), pid=os.getpid(), queues=queues, is_new=is_new
    )


def forget(session: Session, kind: ProcessKind) -> None:
    """Delete the row of this process."""
    repository.forget(session, kind, host=socket.gethostname(), pid=os.getpid())


def forget_silent(session: Session) -> None:
    """Delete the rows of processes that have been silent for a day."""
    repository.forget_silent(session, longer_than_s=FORGOTTEN_AFTER_S)


def living(session: Session) -> Sequence[Process]:
    return repository.living(session, within_s=SILENT_AFTER_S)


def lives_here(session: Session, kind: ProcessKind) -> bool:
    """Whether a process of this kind on this machine was heard of lately."""
    host = socket.gethostname()
    return any(process.kind is kind and process.host == host for process in living(session))


def workers_by_queue(session: Session) -> Counter[str]:
    """How many living workers serve each queue."""
    workers = [process for process in living(session) if process.kind is ProcessKind.WORKER]
    return Counter(queue for worker in workers for queue in worker.queues)
