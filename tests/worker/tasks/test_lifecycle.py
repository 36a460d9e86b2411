"""A run gives signs of life by itself, stops within moments when it is in vain, and outlives its database's outages."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import AttemptOutcome, RunStatus
from service.logs import JsonLines, logged_as
from service.runs import heartbeat, repository
from service.runs import service as runs
from service.settings import Settings, get_settings
from service.valuations import service as valuations
from tests.worker.campaign import rows, store
from tests.worker.tasks.test_tasks import read, request_valuation
from worker.tasks.lifecycle import ActiveRun, execute

Sessions = sessionmaker[Session]
LONG_S = 30.0
Compute = Callable[[ActiveRun], None]


@pytest.fixture(autouse=True)
def _beat_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.02)


@pytest.fixture
def run_id(worker_sessions: Sessions) -> int:
    return request_valuation(worker_sessions, store(worker_sessions, rows(24, 0)))


def run(sessions: Sessions, run_id: int, compute: Compute, settings: Settings | None = None) -> ValuationRun:
    execute(ValuationRun, run_id, compute, sessions=sessions, settings=settings or get_settings())
    found: ValuationRun = read(sessions, ValuationRun, run_id)
    return found


def cancel(sessions: Sessions, run_id: int) -> None:
    with unit_of_work(sessions) as session:
        valuations.cancel(session, run_id, actor="test")


def outcomes(sessions: Sessions, row: ValuationRun) -> list[AttemptOutcome]:
    with sessions() as session:
        return [line.outcome for line in runs.history(session, row)]


def work(until: Callable[[], object] = lambda: False) -> None:
    """Python and numpy without a pause, as a training is; for long, or until something is so."""
    matrix, end = np.random.default_rng(0).normal(size=(300, 300)), time.monotonic() + LONG_S
    while time.monotonic() < end and not until():
        matrix = np.tanh(matrix @ matrix)
        sum(number * number for number in range(10_000))


def test_work_that_never_reports_keeps_its_lease(worker_sessions: Sessions, run_id: int) -> None:
    leases = []

    def lease() -> datetime:
        found: datetime = read(worker_sessions, ValuationRun, run_id).lease_expires_at
        return found

    def compute(run: ActiveRun) -> None:
        for _ in range(3):
            leases.append(lease())
            work(until=lambda: lease() > leases[-1])

    run(worker_sessions, run_id, compute)
    assert leases == sorted(set(leases))


def test_what_was_reported_last_is_written_by_the_heartbeat(worker_sessions: Sessions, run_id: int) -> None:
    written = []

    def progress() -> tuple[float, str]:
        row = read(worker_sessions, ValuationRun, run_id)
        return row.progress, row.progress_message

    def compute(run: ActiveRun) -> None:
        run.report(0.25, "an epoch")
        work(until=lambda: progress()[0] > 0)
        written.append(progress())

    run(worker_sessions, run_id, compute)
    assert written == [(0.25, "an epoch")]


def test_a_cancellation_reaches_a_computation_that_never_reports(
    worker_sessions: Sessions, run_id: int
) -> None:
    seconds = []

    def compute(run: ActiveRun) -> None:
        started = time.monotonic()
        try:
            with run.interruptible():
                cancel(worker_sessions, run_id)
                work()
        finally:
            seconds.append(time.monotonic() - started)

    row = run(worker_sessions, run_id, compute)
    assert row.status is RunStatus.CANCELLED
    assert seconds[0] < LONG_S
    assert outcomes(worker_sessions, row) == [AttemptOutcome.CANCELLED]


def test_no_transaction_is_interrupted(worker_sessions: Sessions, run_id: int) -> None:
    passed = []

    def compute(run: ActiveRun) -> None:
        with run.interruptible():
            with run.transaction() as session:
                cancel(worker_sessions, run_id)
                work(until=lambda: run._verdict)
                run.interrupt()  # as the signal does
                session.execute(text("SELECT 1"))
                passed.append("transaction")
            work()

    assert run(worker_sessions, run_id, compute).status is RunStatus.CANCELLED
    assert passed == ["transaction"]


def test_a_cancellation_that_comes_with_the_last_step_wins(worker_sessions: Sessions, run_id: int) -> None:
    def compute(run: ActiveRun) -> None:
        with run.interruptible():
            run._held += 1  # as if the last step were one call into C
            cancel(worker_sessions, run_id)
            run.beat()
            run._held -= 1
        raise AssertionError("nothing may be stored")

    assert run(worker_sessions, run_id, compute).status is RunStatus.CANCELLED


def test_in_another_thread_reports_must_do(worker_sessions: Sessions, run_id: int) -> None:
    def compute(run: ActiveRun) -> None:
        with run.interruptible():
            cancel(worker_sessions, run_id)
            for _ in range(1000):
                run.report(0.5, "a step")
                time.sleep(0.01)

    worker = threading.Thread(target=run, args=(worker_sessions, run_id, compute))
    worker.start()
    worker.join(10)
    assert read(worker_sessions, ValuationRun, run_id).status is RunStatus.CANCELLED


def test_a_run_that_another_worker_has_is_left_at_once(worker_sessions: Sessions, run_id: int) -> None:
    def compute(run: ActiveRun) -> None:
        with unit_of_work(worker_sessions) as session:
            session.get_one(ValuationRun, run_id).attempt += 1
        with run.interruptible():
            work()

    row = run(worker_sessions, run_id, compute)
    assert (row.status, row.attempt) == (RunStatus.RUNNING, 2)


def test_every_line_of_a_run_names_the_request_that_asked_for_it(
    worker_sessions: Sessions, run_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    """By its row: the message of a run that was sent again may be anybody's."""
    caplog.set_level("INFO")
    caplog.handler.setFormatter(JsonLines([]))
    with unit_of_work(worker_sessions) as session:
        session.get_one(ValuationRun, run_id).request_id = "who-asked"
    with logged_as(request_id="reaper"):
        run(worker_sessions, run_id, lambda _: None)
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    found = [
        (line["request_id"], line["run_id"]) for line in lines if line["logger"] == "worker.tasks.lifecycle"
    ]
    assert found == [("who-asked", run_id)] * 2


def kill_connections(sessions: Sessions) -> None:
    """What a Postgres that ends does to its clients, this thread's included."""
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with sessions() as session:
        session.execute(text(statement + " AND pid <> pg_backend_pid()"))


def test_a_heartbeat_outlives_an_outage_of_the_database(
    worker_sessions: Sessions, run_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    def compute(run: ActiveRun) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repository, "LONGEST_WAIT_MS", "no number")  # a statement that the database refuses
            work(until=lambda: "can give no sign of life" in caplog.text)
        run.report(0.7, "after the outage")
        work(until=lambda: read(worker_sessions, ValuationRun, run_id).progress)

    assert run(worker_sessions, run_id, compute).progress == 0.7
    assert caplog.text.count("can give no sign of life") == 1


def test_an_attempt_that_loses_the_database_is_followed_by_another(
    worker_sessions: Sessions, run_id: int
) -> None:
    def compute(run: ActiveRun) -> None:
        with run.transaction() as session:
            session.execute(text("SELECT 1"))
            kill_connections(worker_sessions)
            session.execute(text("SELECT 1"))

    row = run(worker_sessions, run_id, compute)
    assert (row.status, row.error_message) == (RunStatus.QUEUED, None)
    assert outcomes(worker_sessions, row) == [AttemptOutcome.LOST]
    settings = get_settings().model_copy(update={"run_attempts": 2})
    row = run(worker_sessions, run_id, compute, settings)
    assert (row.status, row.error_code) == (RunStatus.FAILED, "worker_lost")
    assert "the database failed: " in row.error_message


def test_without_a_database_to_tell_the_lease_must_do(
    worker_sessions: Sessions, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(run: ActiveRun) -> None:
        def away(*_arguments: object, **_named: object) -> None:
            raise OperationalError("SELECT", {}, Exception("the server is away"))

        monkeypatch.setattr(repository, "lock_ours", away)
        away()

    assert run(worker_sessions, run_id, compute).status is RunStatus.RUNNING
