"""Beat: keeps the house and the time in one small process that knows no task's code.

It works on the rows itself and waits for no worker: these may all be training for hours. It keeps nothing: what
is due follows from the rows, so a lost or doubled beat does no harm.
"""

from __future__ import annotations

import logging
import math
import time
from datetime import UTC, datetime
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import dry_runs, simulations, solver_files
from service.database.clock import database_time
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.errors import UnavailableError
from service.events import service as events
from service.logs import LogLine, configure_logging, logged_as
from service.manners import idempotency
from service.processes import service as processes
from service.processes.signs import say_farewell
from service.queue.client import QueueClient, send_after_commit
from service.rounds import progress
from service.run_logs import service as run_logs
from service.runs import service as runs
from service.schedules import firing
from service.settings import Settings
from service.uploads import orphans
from service.uploads import reaping as uploads
from service.valuations import service as valuations
from service.vocabulary import ProcessKind
from service.webhooks import delivery

logger = logging.getLogger(__name__)
# Of a lease: from the death of a worker until another one has its run pass one lease and two of these.
PASSES_PER_LEASE = 3
# How often schedules, rounds and webhooks are looked at: how late a schedule may be.
TICK_EVERY_S = 5.0
# Of the looks at the folder of originals.
SWEEP_EVERY_S = 3600.0


def run_beat(settings: Settings, stop: Event | None = None) -> None:
    """Keep the house until the process is stopped, or `stop` is set."""
    configure_logging(settings)
    engine, queue = make_engine(settings.database_url, pool_size=1), QueueClient(settings.broker_url)
    sessions = make_session_factory(engine)
    send_after_commit(sessions, queue)
    try:
        _Beat(sessions, queue, settings).run(stop or Event())
    finally:
        say_farewell(sessions, ProcessKind.BEAT)
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
        self._is_new = True
        self._swept_at = -math.inf
        self._suspects: frozenset[str] = frozenset()
        self._sweeper = Thread()  # of the last look, which has ended

    def run(self, stop: Event) -> None:
        while not stop.wait(min(self._house_every_s, TICK_EVERY_S)):
            try:
                self._turn()
            except SQLAlchemyError:
                logger.warning("the database is away, or refuses", exc_info=True)
                self._database_was_away = True

    def _turn(self) -> None:
        """One pass; after an outage of the database workers first get the time to say that they live."""
        self._say_alive()
        if self._database_was_away:
            self._database_was_away, self._house_kept_at = False, time.monotonic()
            return
        if time.monotonic() - self._house_kept_at >= self._house_every_s:
            self._house_kept_at = time.monotonic()
            keep_house(self._sessions, self._queue, self._settings)
        tick(self._sessions, self._settings)
        if time.monotonic() - self._swept_at >= SWEEP_EVERY_S:
            self._swept_at = time.monotonic()
            self._sweep()

    def _sweep(self) -> None:
        """Look through the files in a thread: a disk may take long, and runs and schedules must not wait for it."""
        if not self._sweeper.is_alive():
            self._sweeper = Thread(target=self._look_through_files, name="files", daemon=True)
            self._sweeper.start()

    def _look_through_files(self) -> None:
        for look in (self._remove_orphans, self._prune_solver_files):
            try:
                look()
            except (OSError, SQLAlchemyError) as error:
                logger.warning("the files cannot be looked through: %s", error)

    def _remove_orphans(self) -> None:
        now = datetime.now(UTC)
        self._suspects = orphans.sweep(self._sessions, self._settings, self._suspects, now=now)

    def _prune_solver_files(self) -> None:
        solver_files.prune(self._sessions, self._settings)

    def _say_alive(self) -> None:
        with unit_of_work(self._sessions) as session:
            processes.say_alive(session, ProcessKind.BEAT, is_new=self._is_new)
        self._is_new = False


def keep_house(sessions: sessionmaker[Session], queue: QueueClient, settings: Settings) -> None:
    """One pass: nothing that was asked for is lost."""
    attempts = settings.run_attempts
    with unit_of_work(sessions) as session:
        idempotency.prune(session, now=database_time(session))
    with unit_of_work(sessions) as session:
        _say(runs.reap(session, attempts=attempts) + uploads.reap(session, attempts=attempts))
    with unit_of_work(sessions) as session:
        _say(simulations.settle(session))
    grace_s = settings.run_lease_s / PASSES_PER_LEASE
    with unit_of_work(sessions) as session:
        overdue = runs.overdue(session, grace_s=grace_s) + uploads.overdue(session, grace_s=grace_s)
    if not overdue:
        return
    try:
        in_broker = queue.waiting()  # with no transaction open: a broker may take its time
    except UnavailableError as error:
        logger.warning("nothing can be sent: %s", error)
        return
    with unit_of_work(sessions) as session:
        lines = runs.resend(session, grace_s=grace_s, in_broker=in_broker)
        _say(lines + uploads.resend(session, grace_s=grace_s, in_broker=in_broker))


def tick(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Fire schedules, take rounds on, hand events to webhooks, delete what is old; idempotent as a whole."""
    fired = firing.fire_due(sessions)
    steps = progress.advance_open(sessions)
    delivery.dispatch(sessions)
    with unit_of_work(sessions) as session:
        now, keep_days = database_time(session), settings.event_retention_days
        events.prune(session, now=now, keep_days=keep_days)
        delivery.prune(session, now=now, keep_days=keep_days)
        processes.forget_silent(session)
        run_logs.prune(session, now=now, keep_days=settings.run_log_retention_days)
        dry_runs.prune(session, now=now)
        valuations.prune_artefacts(session, now=now, keep_days=settings.artefact_retention_days)
    if fired or steps:
        logger.info("fired %d schedules, made %d steps of rounds", fired, steps)


def _say(lines: list[LogLine]) -> None:
    for line in lines:
        with logged_as(**line.about):
            logger.warning(line.text)
