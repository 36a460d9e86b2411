"""Beat: keeps the house and the time in one small process that knows no task's code.

It works on the rows itself and waits for no worker: these may all be training for hours. It keeps nothing: what
is due follows from the rows, so a lost or doubled beat does no harm.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Set
from threading import Event

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import simulations
from service.database.clock import database_time
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.errors import UnavailableError
from service.events import service as events
from service.queue.client import QueueClient, send_after_commit
from service.queue.messages import Message
from service.rounds import progress
from service.runs import service as runs
from service.schedules import firing
from service.settings import Settings
from service.uploads import reaping as uploads
from service.webhooks import delivery

logger = logging.getLogger(__name__)
# Of a lease: from the death of a worker until another one has its run pass one lease and two of these.
PASSES_PER_LEASE = 3
# How often schedules, rounds and webhooks are looked at: how late a schedule may be.
TICK_EVERY_S = 5.0


def run_beat(settings: Settings, stop: Event | None = None) -> None:
    """Keep the house until the process is stopped, or `stop` is set."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    engine, queue = make_engine(settings.database_url, pool_size=1), QueueClient(settings.broker_url)
    sessions = make_session_factory(engine)
    send_after_commit(sessions, queue)
    try:
        _Beat(sessions, queue, settings).run(stop or Event())
    finally:
        queue.close()
        engine.dispose()


class _Beat:
    def __init__(self, sessions: sessionmaker[Session], queue: QueueClient, settings: Settings) -> None:
        self._sessions = sessions
        self._queue = queue
        self._settings = settings
        self._house_every_s = settings.run_lease_s / PASSES_PER_LEASE
        self._house_kept_at = time.monotonic()
        self._database_was_away = True

    def run(self, stop: Event) -> None:
        while not stop.wait(min(self._house_every_s, TICK_EVERY_S)):
            try:
                self._turn()
            except SQLAlchemyError:
                logger.warning("the database is away, or refuses", exc_info=True)
                self._database_was_away = True

    def _turn(self) -> None:
        """One pass; after an outage of the database workers first get the time to say that they live."""
        if self._database_was_away:
            with unit_of_work(self._sessions) as session:
                session.connection()  # the pool tries it
            self._database_was_away = False
            return
        if time.monotonic() - self._house_kept_at >= self._house_every_s:
            self._house_kept_at = time.monotonic()
            keep_house(self._sessions, self._queue, self._settings)
        tick(self._sessions, self._settings)


def keep_house(sessions: sessionmaker[Session], queue: QueueClient, settings: Settings) -> None:
    """One pass: nothing that was asked for is lost."""
    attempts = settings.run_attempts
    with unit_of_work(sessions) as session:
        _say(runs.reap(session, attempts=attempts) + uploads.reap(session, attempts=attempts))
    with unit_of_work(sessions) as session:
        _say(simulations.settle(session))
    in_broker: Callable[[], Set[Message]] = functools.cache(queue.waiting)
    grace_s = settings.run_lease_s / PASSES_PER_LEASE
    try:
        with unit_of_work(sessions) as session:
            lines = runs.resend(session, grace_s=grace_s, in_broker=in_broker)
            _say(lines + uploads.resend(session, grace_s=grace_s, in_broker=in_broker))
    except UnavailableError as error:
        logger.warning("nothing can be sent: %s", error)


def tick(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Fire schedules, take rounds on, hand events to webhooks, delete what is old; idempotent as a whole."""
    fired = firing.fire_due(sessions)
    steps = progress.advance_open(sessions)
    delivery.dispatch(sessions)
    with unit_of_work(sessions) as session:
        now, keep_days = database_time(session), settings.event_retention_days
        events.prune(session, now=now, keep_days=keep_days)
        delivery.prune(session, now=now, keep_days=keep_days)
    if fired or steps:
        logger.info("fired %d schedules, made %d steps of rounds", fired, steps)


def _say(lines: list[str]) -> None:
    for line in lines:
        logger.warning(line)
