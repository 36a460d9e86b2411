"""Moves open rounds on: called by the clock and after every task whose end a round may wait for."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.rounds import repository, steps

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

logger = logging.getLogger(__name__)
# A round passes at most its nine steps at once; more passes mean that rounds follow each other at once.
MOST_PASSES = 100


def advance(sessions: sessionmaker[Session], round_id: int, *, now: datetime | None = None) -> bool:
    """One step of one round in a transaction of its own; whether there may be more to do at once."""
    with unit_of_work(sessions) as session:
        return steps.take(session, round_id, now or database_time(session))


def advance_open(sessions: sessionmaker[Session], *, now: datetime | None = None) -> int:
    """Take every open round as far as it goes; how many steps were made.

    An unexpected error in one round is written down there, and does not keep the others.
    """
    made, failed = 0, set[int]()
    for _ in range(MOST_PASSES):
        with unit_of_work(sessions) as session:
            open_ids = [key for key in repository.open_ids(session) if key not in failed]
        moved = 0
        for round_id in open_ids:
            try:
                moved += advance(sessions, round_id, now=now)
            except Exception as error:
                logger.exception("round %s could not go on", round_id)
                failed.add(round_id)
                _note(sessions, round_id, f"could not go on, tried again: {type(error).__name__}: {error}")
        made += moved
        if not moved:
            break
    return made


def _note(sessions: sessionmaker[Session], round_id: int, detail: str) -> None:
    with unit_of_work(sessions) as session:
        repository.note(session, round_id, detail[:2000])
