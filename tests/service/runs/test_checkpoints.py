"""A checkpoint belongs to a running attempt and to its data, and is gone when the run ends."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, RunCheckpoint, ValuationRun
from service.lifecycles import RunStatus
from service.runs import repository, service
from tests.support import add_run, create_campaign

Sessions = sessionmaker[Session]
DATA, OTHER_DATA = "a" * 64, "b" * 64
PAST = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def run(client: TestClient, sessions: Sessions) -> ValuationRun:
    """A claimed run."""
    return claim(sessions, add_run(sessions, create_campaign(client)))


def claim(sessions: Sessions, run_id: int) -> ValuationRun:
    with unit_of_work(sessions) as session:
        claimed = repository.claim(session, ValuationRun, run_id, worker="w", lease_s=60)
    assert claimed is not None
    return claimed


def save(sessions: Sessions, run: ValuationRun, state: bytes = b"state") -> bool:
    with unit_of_work(sessions) as session:
        return repository.save_checkpoint(session, run, data_hash=DATA, state=state)


def load(sessions: Sessions, run: ValuationRun | AcquisitionRound, data_hash: str = DATA) -> bytes | None:
    with sessions() as session:
        return repository.load_checkpoint(session, run, data_hash=data_hash)


def stored(sessions: Sessions) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(RunCheckpoint)) or 0


def lapse_and_reap(sessions: Sessions, run: ValuationRun, *, attempts: int) -> None:
    with unit_of_work(sessions) as session:
        session.get_one(ValuationRun, run.id).lease_expires_at = PAST
    with unit_of_work(sessions) as session:
        service.reap(session, attempts=attempts)


def test_the_newest_state_replaces_the_one_before(sessions: Sessions, run: ValuationRun) -> None:
    assert load(sessions, run) is None
    assert save(sessions, run, b"one")
    assert save(sessions, run, bytes(range(256)) * 9000)
    assert load(sessions, run) == bytes(range(256)) * 9000
    assert stored(sessions) == 1


def test_it_counts_for_its_data_and_its_run_only(sessions: Sessions, run: ValuationRun) -> None:
    save(sessions, run)
    assert load(sessions, run, OTHER_DATA) is None
    assert load(sessions, AcquisitionRound(id=run.id)) is None
    assert load(sessions, ValuationRun(id=run.id + 1)) is None


def test_the_next_attempt_finds_it(sessions: Sessions, run: ValuationRun) -> None:
    save(sessions, run)
    lapse_and_reap(sessions, run, attempts=3)
    again = claim(sessions, run.id)
    assert again.attempt == 2
    assert load(sessions, again) == b"state"


def test_a_worker_that_lost_the_run_overwrites_nothing(sessions: Sessions, run: ValuationRun) -> None:
    lapse_and_reap(sessions, run, attempts=3)
    assert save(sessions, run, b"slow")  # nobody else has it yet
    again = claim(sessions, run.id)
    assert save(sessions, again, b"new")
    assert not save(sessions, run, b"late")  # another's
    assert load(sessions, again) == b"new"


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED])
def test_it_is_gone_when_the_run_ends(sessions: Sessions, run: ValuationRun, status: RunStatus) -> None:
    save(sessions, run)
    reason = "why" if status is RunStatus.FAILED else None
    with unit_of_work(sessions) as session:
        assert repository.finish(session, ValuationRun, run, status, data_hash=DATA, error_message=reason)
    assert stored(sessions) == 0
    assert not save(sessions, run)
    assert stored(sessions) == 0


def test_a_lost_worker_does_not_end_the_checkpoint_of_its_successor(
    sessions: Sessions, run: ValuationRun
) -> None:
    save(sessions, run)
    lapse_and_reap(sessions, run, attempts=3)
    again = claim(sessions, run.id)
    with unit_of_work(sessions) as session:
        assert not repository.finish(session, ValuationRun, run, RunStatus.CANCELLED)
    assert load(sessions, again) == b"state"


def test_giving_up_and_cancelling_forget_it_too(sessions: Sessions, run: ValuationRun) -> None:
    save(sessions, run)
    lapse_and_reap(sessions, run, attempts=3)
    assert stored(sessions) == 1
    with unit_of_work(sessions) as session:  # it waits for its next attempt
        service.cancel(session, session.get_one(ValuationRun, run.id), actor="test")
    assert stored(sessions) == 0


def test_a_run_that_failed_for_good_keeps_no_state(sessions: Sessions, run: ValuationRun) -> None:
    save(sessions, run)
    lapse_and_reap(sessions, run, attempts=1)
    assert stored(sessions) == 0
