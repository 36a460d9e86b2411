"""A cancelled simulation: its solver dies with all that it started, its recommendation fails, and its log tells why."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.acquisitions import simulations
from service.database.engine import unit_of_work
from service.database.models import Recommendation, RunLogLine, Sample, SimulationRun
from service.errors import ConflictError, NotFoundError
from service.lifecycles import RecommendationStatus, RunStatus
from service.vocabulary import LogLevel, LogSpeaker, SampleStatus
from tests.support import add_round
from tests.worker.oracles.solvers import is_alive
from tests.worker.tasks.test_run_log import wait_until
from tests.worker.tasks.test_simulations import approved, ordered, reason_of
from tests.worker.tasks.test_tasks import read
from worker.oracles import process
from worker.tasks.simulation import simulation_run

Sessions = sessionmaker[Session]
_S = RecommendationStatus
CANCELLED = "its simulation was cancelled"


def cancel(sessions: Sessions, run_id: int) -> None:
    with unit_of_work(sessions) as session:
        simulations.cancel(session, run_id, actor="a.meier")


def cancelled_when(sessions: Sessions, run_id: int, is_time: Callable[[], bool]) -> threading.Thread:
    """Somebody who cancels the run as soon as it is time."""

    def watch() -> None:
        wait_until(is_time)
        cancel(sessions, run_id)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def log_of(sessions: Sessions, run_id: int) -> list[tuple[LogSpeaker, LogLevel, str]]:
    with sessions() as session:
        found = session.scalars(select(RunLogLine).order_by(RunLogLine.id)).all()
        assert {(line.run_kind, line.run_id) for line in found} == {("simulation_runs", run_id)}
        return [(line.speaker, line.level, line.text) for line in found]


@pytest.mark.parametrize(("how", "sign"), [("hang", "child.pid"), ("deaf", "deaf")])
def test_a_solver_that_hangs_is_killed_with_all_its_processes(
    worker_sessions: Sessions,
    solver: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    sign: str,
) -> None:
    monkeypatch.setattr(process, "STOP_GRACE_S", 600.0)  # of a time limit: nobody waits for it here
    (key,) = approved(worker_sessions, solver, how)
    run_id = ordered(worker_sessions, key)
    folder = solver.parent / "files" / "oracle" / str(key) / f"{run_id}-1"
    begun = time.monotonic()
    canceller = cancelled_when(worker_sessions, run_id, (folder / sign).exists)
    simulation_run(run_id)
    canceller.join()
    assert time.monotonic() - begun < 300, "it was not waited for"
    run, row = read(worker_sessions, SimulationRun, run_id), read(worker_sessions, Recommendation, key)
    assert (run.status, run.progress_message, run.error_code) == (
        RunStatus.CANCELLED, "cancelled while it ran", None,
    )  # fmt: skip
    assert (row.status, reason_of(worker_sessions, key)) == (_S.FAILED, CANCELLED)
    assert read(worker_sessions, Sample, row.sample_id).status is SampleStatus.CANDIDATE
    if how == "hang":
        assert not is_alive(int((folder / sign).read_text()))
    told = log_of(worker_sessions, run_id)
    assert (LogSpeaker.SOLVER, LogLevel.INFO, f"solver starts {how}") in told
    assert (LogSpeaker.WORKER, LogLevel.INFO, "the solver runs for 0 s") in told
    assert told[-1] == (LogSpeaker.WORKER, LogLevel.WARNING, "cancelled while it ran")
    again = add_round(worker_sessions, row.campaign_id, 1, [row.sample_id])
    assert read(worker_sessions, Recommendation, again[0]).status is _S.PROPOSED, "the design is free"


def test_one_that_waits_ends_at_once(worker_sessions: Sessions, solver: Path) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    cancel(worker_sessions, run_id)
    run, row = read(worker_sessions, SimulationRun, run_id), read(worker_sessions, Recommendation, key)
    assert (run.status, run.progress_message) == (RunStatus.CANCELLED, "cancelled before it started")
    assert (row.status, reason_of(worker_sessions, key)) == (_S.FAILED, CANCELLED)
    simulation_run(run_id)  # the message comes all the same
    assert not (solver.parent / "files").exists()
    with pytest.raises(ConflictError, match="has ended already: cancelled"):
        cancel(worker_sessions, run_id)
    with pytest.raises(NotFoundError):
        cancel(worker_sessions, 999)


def test_a_result_that_was_faster_than_the_cancellation_stays(
    worker_sessions: Sessions,
    solver: Path,
) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    simulation_run(run_id)
    with pytest.raises(ConflictError, match="has ended already: succeeded"):
        cancel(worker_sessions, run_id)
    assert read(worker_sessions, Recommendation, key).status is _S.COMPLETED


def test_a_solver_that_fails_while_it_is_cancelled_fails_nothing_twice(
    worker_sessions: Sessions,
    solver: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (key,) = approved(worker_sessions, solver, "killed")
    run_id = ordered(worker_sessions, key)
    fail = simulations.fail

    def first_cancelled(session: Session, run: SimulationRun, code: str, reason: str) -> None:
        cancel(worker_sessions, run_id)
        fail(session, run, code, reason)

    monkeypatch.setattr(simulations, "fail", first_cancelled)
    simulation_run(run_id)
    run = read(worker_sessions, SimulationRun, run_id)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "exit_code")
    assert "status 137" in run.error_message
    assert reason_of(worker_sessions, key) == CANCELLED
    with worker_sessions() as session:
        history = acquisitions.get_recommendation(session, key).history
    assert [change.to_status for change in history].count(_S.FAILED) == 1
