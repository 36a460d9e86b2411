"""Claims by compare-and-set: of two workers with the same run, one wins."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.runs import repository
from tests.support import add_run, create_campaign


@pytest.fixture
def run_id(client: TestClient, sessions: sessionmaker[Session]) -> int:
    return add_run(sessions, create_campaign(client))


def claim(sessions: sessionmaker[Session], run_id: int, worker: str = "one") -> ValuationRun | None:
    with unit_of_work(sessions) as session:
        return repository.claim(session, ValuationRun, run_id, worker=worker, lease_s=60)


def read(sessions: sessionmaker[Session], run_id: int) -> ValuationRun:
    with sessions() as session:
        return session.get_one(ValuationRun, run_id)


def report(sessions: sessionmaker[Session], run: ValuationRun, progress: float) -> bool | None:
    with unit_of_work(sessions) as session:
        return repository.report(
            session, ValuationRun, run, progress=progress, message="training", lease_s=60
        )


def finish(sessions: sessionmaker[Session], run: ValuationRun) -> bool:
    with unit_of_work(sessions) as session:
        return repository.finish(session, ValuationRun, run, RunStatus.SUCCEEDED, data_hash="0" * 64)


def take_away(sessions: sessionmaker[Session], run_id: int) -> ValuationRun:
    """The run as another worker's, after its lease lapsed and it was queued again."""
    with unit_of_work(sessions) as session:
        session.get_one(ValuationRun, run_id).status = RunStatus.QUEUED
    taken = claim(sessions, run_id, "two")
    assert taken is not None
    return taken


def test_a_claim_takes_the_run_with_a_lease(sessions: sessionmaker[Session], run_id: int) -> None:
    claimed = claim(sessions, run_id)
    assert claimed is not None
    assert (claimed.status, claimed.attempt, claimed.worker) == (RunStatus.RUNNING, 1, "one")
    assert timedelta(seconds=50) < claimed.lease_expires_at - datetime.now(UTC) < timedelta(seconds=61)


def test_of_many_workers_at_once_one_gets_the_run(sessions: sessionmaker[Session], run_id: int) -> None:
    start = threading.Barrier(5)

    def race(number: int) -> ValuationRun | None:
        start.wait()
        return claim(sessions, run_id, str(number))

    with ThreadPoolExecutor(5) as pool:
        winners = [run for run in pool.map(race, range(5)) if run is not None]
    assert len(winners) == 1
    assert read(sessions, run_id).worker == winners[0].worker


@pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.QUEUED])
def test_only_a_queued_run_can_be_claimed(
    client: TestClient, sessions: sessionmaker[Session], status: RunStatus
) -> None:
    assert claim(sessions, add_run(sessions, create_campaign(client), status)) is None


def test_a_report_extends_the_lease_and_tells_of_a_cancellation(
    client: TestClient, sessions: sessionmaker[Session], run_id: int
) -> None:
    claimed = claim(sessions, run_id)
    assert report(sessions, claimed, 0.4) is False
    row = read(sessions, run_id)
    assert (row.progress, row.progress_message) == (0.4, "training")
    assert row.lease_expires_at > claimed.lease_expires_at
    client.post(f"/api/v1/valuation-runs/{run_id}:cancel")
    assert report(sessions, claimed, 0.5) is True


def test_who_lost_the_run_writes_nothing_to_it(sessions: sessionmaker[Session], run_id: int) -> None:
    lost = claim(sessions, run_id)
    taken = take_away(sessions, run_id)
    assert report(sessions, lost, 0.9) is None
    assert finish(sessions, lost) is False
    with unit_of_work(sessions) as session:
        repository.annotate(session, ValuationRun, lost, device="lost")
    row = read(sessions, run_id)
    assert (row.status, row.progress, row.device) == (RunStatus.RUNNING, 0.0, None)
    assert finish(sessions, taken) is True
    assert read(sessions, run_id).lease_expires_at is None


def test_a_run_ends_once(sessions: sessionmaker[Session], run_id: int) -> None:
    claimed = claim(sessions, run_id)
    assert finish(sessions, claimed) is True
    assert finish(sessions, claimed) is False
