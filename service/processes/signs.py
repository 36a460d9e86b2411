"""Signs of life given by a thread: of processes whose own loop is busy for long."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.processes import service
from service.runs.heartbeat import Heartbeat
from service.vocabulary import ProcessKind

logger = logging.getLogger(__name__)
SIGN_EVERY_S = 5.0


@contextmanager
def signs_of_life(
    sessions: sessionmaker[Session], kind: ProcessKind, *, queues: Sequence[str] = ()
) -> Iterator[None]:
    """Give them while the block runs; a database that is away keeps nobody from working."""
    is_new = True

    def beat() -> None:
        nonlocal is_new
        with unit_of_work(sessions) as session:
            service.say_alive(session, kind, queues=queues, is_new=is_new)
        is_new = False

    try:
        with Heartbeat(beat, name=f"this {kind}", every_s=SIGN_EVERY_S, at_once=True):
            yield
    finally:
        say_farewell(sessions, kind)


def say_farewell(sessions: sessionmaker[Session], kind: ProcessKind) -> None:
    """This process ends in order: nobody needs to miss it."""
    try:
        with unit_of_work(sessions) as session:
            service.forget(session, kind)
    except SQLAlchemyError as error:  # it ends all the same, and its row falls silent
        logger.warning("the database cannot be told that this %s ends: %s", kind, error)
