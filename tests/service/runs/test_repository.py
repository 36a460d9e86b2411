"""Claims by compare-and-set: of two workers with the same run, one wins."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.runs import repository, service
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


def beat(sessions: sessionmaker[Session], run: ValuationRun, progress: float) -> bool | None:
    with unit_of_work(sessions) as session:
        return repository.beat(session, ValuationRun, run, progress=progress, message="training", lease_s=60)


def finish(sessions: sessionmaker[Session], run: ValuationRun) -> bool:
    with unit_of_work(sessions) as session:
        return repository.finish(session, ValuationRun, run, RunStatus.SUCCEEDED, data_hash="0" * 64)


def lapse(sessions: sessionmaker[Session], run_id: int) -> None:
    """Nobody has heard of the worker for too long: the run waits again."""
    with unit_of_work(sessions) as session:
        session.get_one(ValuationRun, run_id).lease_expires_at = datetime.now(UTC) - timedelta(seconds=1)
    with unit_of_work(sessions) as session:
        assert service.reap(session, attempts=3)


def take_away(sessions: sessionmaker[Session], run_id: int) -> ValuationRun:
    """The run as another worker's, after its lease lapsed and it was queued again."""
    lapse(sessions, run_id)
    taken = claim(sessions, run_id, "two")
    assert taken is not None
    return taken


def outcomes(sessions: sessionmaker[Session], run_id: int) -> list[tuple[int, str]]:
    with sessions() as session:
        found = service.history(session, session.get_one(ValuationRun, run_id))
        return [(line.attempt, line.outcome.value) for line in found]


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


def test_a_sign_of_life_extends_the_lease_and_tells_of_a_cancellation(
    client: TestClient, sessions: sessionmaker[Session], run_id: int
) -> None:
    claimed = claim(sessions, run_id)
    assert beat(sessions, claimed, 0.4) is False
    row = read(sessions, run_id)
    assert (row.progress, row.progress_message) == (0.4, "training")
    assert row.lease_expires_at > claimed.lease_expires_at
    client.post(f"/api/v1/valuation-runs/{run_id}:cancel")
    assert beat(sessions, claimed, 0.5) is True


def test_who_lost_the_run_writes_nothing_to_it(sessions: sessionmaker[Session], run_id: int) -> None:
    lost = claim(sessions, run_id)
    taken = take_away(sessions, run_id)
    assert beat(sessions, lost, 0.9) is None
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


def test_a_run_that_was_thought_lost_and_that_nobody_has_is_taken_back(
    sessions: sessionmaker[Session], run_id: int
) -> None:
    slow = claim(sessions, run_id)
    lapse(sessions, run_id)
    assert beat(sessions, slow, 0.5) is False
    row = read(sessions, run_id)
    assert (row.status, row.attempt, row.progress) == (RunStatus.RUNNING, 1, 0.5)
    assert claim(sessions, run_id, "two") is None
    assert finish(sessions, slow) is True
    assert outcomes(sessions, run_id) == [(1, "lost"), (1, "succeeded")]


def test_the_result_of_the_current_attempt_is_accepted_although_it_was_thought_lost(
    sessions: sessionmaker[Session], run_id: int
) -> None:
    slow = claim(sessions, run_id)
    lapse(sessions, run_id)
    assert finish(sessions, slow) is True
    assert claim(sessions, run_id, "two") is None  # its message is still under way


def test_a_late_result_is_noted_and_not_stored(sessions: sessionmaker[Session], run_id: int) -> None:
    slow = claim(sessions, run_id)
    taken = take_away(sessions, run_id)
    with unit_of_work(sessions) as session:
        columns = {"data_hash": "0" * 64, "metrics": {"rmse": 1.5}, "artefact_sha256": "f" * 64}
        assert not repository.finish(session, ValuationRun, slow, RunStatus.SUCCEEDED, **columns)
    assert finish(sessions, taken) is True
    assert outcomes(sessions, run_id) == [(1, "lost"), (1, "late"), (2, "succeeded")]
    with sessions() as session:
        late = service.history(session, slow)[1]
    assert (late.metrics, late.artefact_sha256, late.worker) == ({"rmse": 1.5}, "f" * 64, "one")
    assert read(sessions, run_id).metrics is None


def test_a_slice_that_was_handed_back_is_not_taken_back(sessions: sessionmaker[Session], run_id: int) -> None:
    claimed = claim(sessions, run_id)
    with unit_of_work(sessions) as session:
        assert repository.hand_back(session, ValuationRun, claimed, progress_message="a part is done")
    assert beat(sessions, claimed, 0.5) is None
    assert claim(sessions, run_id, "two").attempt == 2


def test_a_sign_of_life_does_not_wait_for_long(
    sessions: sessionmaker[Session], run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "LONGEST_WAIT_MS", 50)
    claimed = claim(sessions, run_id)
    with sessions() as storing:
        storing.get_one(ValuationRun, run_id, with_for_update=True)
        with pytest.raises(OperationalError, match="lock timeout"):
            beat(sessions, claimed, 0.5)
