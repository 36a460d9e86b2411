"""A computation whose worker was killed goes on from its checkpoint, to the same bytes."""

from datetime import UTC, datetime, timedelta

import pytest
import torch
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import RunCheckpoint, ValuationRun
from service.lifecycles import RunStatus
from service.runs import repository as runs
from service.runs import service as runs_service
from service.settings import get_settings
from tests.worker.campaign import rows, store
from tests.worker.tasks.test_tasks import read, request_valuation
from worker.lossval.checkpoint import pack, unpack
from worker.tasks import checkpoints as module
from worker.tasks.checkpoints import Checkpoints
from worker.tasks.lifecycle import ActiveRun, RunLostError, execute

Sessions = sessionmaker[Session]
STEPS = 30
DATA, OTHER_DATA = "a" * 64, "b" * 64


class KilledError(BaseException):
    """What `kill -9` leaves behind: no handler runs."""


class Training:
    """Gradient descent with noise: weights and generator are all its state."""

    def __init__(self, *, killed_at: int | None = None, data_hash: str = DATA) -> None:
        self.killed_at = killed_at
        self.data_hash = data_hash
        self.steps = 0
        self.result = b""

    def __call__(self, run: ActiveRun) -> None:
        checkpoints = Checkpoints(run, self.data_hash)
        self.result = checkpoints.resume(lambda state: self._train(state, checkpoints))
        with run.transaction() as session:
            runs.finish(session, ValuationRun, run.row, RunStatus.SUCCEEDED, data_hash=self.data_hash)

    def _train(self, state: bytes | None, checkpoints: Checkpoints) -> bytes:
        generator, weights, first = torch.Generator().manual_seed(7), torch.zeros(50), 0
        if state is not None:
            tensors, document = unpack(state)
            weights, first = tensors["weights"], document["step"]
            generator.set_state(tensors["generator"])
        for step in range(first, STEPS):
            if step == self.killed_at:
                raise KilledError
            weights = weights - 0.1 * (weights - 1.0 + torch.randn(50, generator=generator))
            self.steps += 1
            checkpoints.save(
                pack({"weights": weights, "generator": generator.get_state()}, {"step": step + 1})
            )
        return weights.numpy().tobytes()


@pytest.fixture(autouse=True)
def _save_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)


def attempt(sessions: Sessions, run_id: int, training: Training) -> Training:
    execute(ValuationRun, run_id, training, sessions=sessions, settings=get_settings())
    return training


def kill(sessions: Sessions, run_id: int, training: Training) -> None:
    """A worker dies; when its lease has lapsed the run is queued again."""
    with pytest.raises(KilledError):
        attempt(sessions, run_id, training)
    with unit_of_work(sessions) as session:
        session.get_one(ValuationRun, run_id).lease_expires_at = datetime.now(UTC) - timedelta(hours=1)
    with unit_of_work(sessions) as session:
        runs_service.reap(session, attempts=3)


def test_a_killed_run_goes_on_to_the_same_bytes(worker_sessions: Sessions) -> None:
    campaign_id = store(worker_sessions, rows(24, 0))
    whole = attempt(worker_sessions, request_valuation(worker_sessions, campaign_id), Training())
    run_id = request_valuation(worker_sessions, campaign_id)
    kill(worker_sessions, run_id, Training(killed_at=11))
    kill(worker_sessions, run_id, Training(killed_at=23))
    last = attempt(worker_sessions, run_id, Training())
    assert last.steps == STEPS - 23
    assert last.result == whole.result
    assert read(worker_sessions, ValuationRun, run_id).status is RunStatus.SUCCEEDED


def test_other_data_begin_anew(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 0)))
    kill(worker_sessions, run_id, Training(killed_at=11))
    assert attempt(worker_sessions, run_id, Training(data_hash=OTHER_DATA)).steps == STEPS


def test_states_are_kept_now_and_then_only(
    worker_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY_S", 3600.0)
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 0)))
    kill(worker_sessions, run_id, Training(killed_at=11))
    assert attempt(worker_sessions, run_id, Training()).steps == STEPS


def test_a_worker_that_lost_its_run_stops_at_its_next_checkpoint(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 0)))
    stopped = []

    def compute(run: ActiveRun) -> None:
        with unit_of_work(worker_sessions) as session:
            session.get_one(ValuationRun, run_id).attempt += 1
        try:
            Checkpoints(run, DATA).save(b"state")
        except RunLostError:
            stopped.append(True)
            raise

    execute(ValuationRun, run_id, compute, sessions=worker_sessions, settings=get_settings())
    assert stopped == [True]


def test_a_state_that_cannot_be_used_is_dropped(worker_sessions: Sessions) -> None:
    run_id = request_valuation(worker_sessions, store(worker_sessions, rows(24, 0)))
    with unit_of_work(worker_sessions) as session:
        foreign = RunCheckpoint(
            run_kind="valuation_runs", run_id=run_id, attempt=0, data_hash=DATA, state=b"old"
        )
        session.add(foreign)
    assert attempt(worker_sessions, run_id, Training()).steps == STEPS
    assert read(worker_sessions, ValuationRun, run_id).status is RunStatus.SUCCEEDED
