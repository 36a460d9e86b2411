"""Simulations as runs with a lease: every end of a solver is the end of its recommendation, and nothing blocks."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.acquisitions import simulations
from service.beat import keep_house
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignCreate
from service.database.engine import unit_of_work
from service.database.models import Recommendation, Sample, SimulationRun
from service.errors import ConflictError
from service.lifecycles import RecommendationStatus, RunStatus
from service.queue.client import QueueClient
from service.runs import heartbeat
from service.runs import service as runs
from service.samples import service as samples
from service.samples.schemas import OnError
from service.settings import get_settings
from tests.crash_files import FORMATS, MAIN_FILE
from tests.ev5_writer import write_folder
from tests.support import add_finished_valuation, add_round
from tests.worker.campaign import CAMPAIGN
from tests.worker.oracles.solvers import is_alive, settings
from tests.worker.tasks.test_tasks import read
from worker.tasks.simulation import simulation_run

Sessions = sessionmaker[Session]
_S = RecommendationStatus
SPEED_KMH = 56.0


def approved(
    sessions: Sessions, solver: Path, how: str = "well", count: int = 1, **changes: Any
) -> list[int]:
    """Approved recommendations of simulations by the solver."""
    capacity = changes.pop("capacity", None)
    source = CAMPAIGN["sources"][1] | {
        "oracle": "command", "oracle_settings": settings(solver, how, **changes), "capacity": capacity,
    }  # fmt: skip
    document = CAMPAIGN | {"sources": [CAMPAIGN["sources"][0], source]}
    planned = {"impact_speed_kmh": SPEED_KMH, "test_mass_kg": 2300, "body": "suv"}
    found = [
        {"source": "simulation", "planned_features": planned | {"test_mass_kg": 2300 + row}}
        for row in range(count)
    ]
    with unit_of_work(sessions) as session:
        request = CampaignCreate.model_validate(document)
        campaign = campaigns.create(session, request, actor="test", oracle_commands=[solver])
        result = samples.create_bulk(session, campaign, found, OnError.REJECT_ALL, actor="test")
        campaign_id = campaign.id
    surrogate_id = add_finished_valuation(sessions, campaign_id).surrogate_id
    keys = add_round(sessions, campaign_id, surrogate_id, [row.id for row in result.results])
    with unit_of_work(sessions) as session:
        for key in keys:
            acquisitions.change(session, key, _S.APPROVED, actor="test")
    return keys


def ordered(sessions: Sessions, recommendation_id: int) -> int:
    with unit_of_work(sessions) as session:
        simulations.simulate(session, recommendation_id, actor="test")
    return newest_run(sessions, recommendation_id).id


def newest_run(sessions: Sessions, recommendation_id: int) -> SimulationRun:
    with sessions() as session:
        statement = select(SimulationRun).where(SimulationRun.recommendation_id == recommendation_id)
        found = session.scalars(statement.order_by(SimulationRun.id.desc())).first()
        assert found is not None
        return found


def reason_of(sessions: Sessions, recommendation_id: int) -> str:
    with sessions() as session:
        row = acquisitions.get_recommendation(session, recommendation_id)
        return row.history[-1].reason


def house(sessions: Sessions) -> None:
    queue = QueueClient(get_settings().broker_url)
    try:
        keep_house(sessions, queue, get_settings())
    finally:
        queue.close()


def test_a_solver_gives_the_sample_its_label(worker_sessions: Sessions, solver: Path) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    simulation_run(run_id)
    simulation_run(run_id)  # delivered twice: nothing left to do
    row = read(worker_sessions, Recommendation, key)
    sample = read(worker_sessions, Sample, row.sample_id)
    assert (row.status, sample.target) == (_S.COMPLETED, SPEED_KMH / 2)
    told = sample.label_details["solver"]
    assert Path(told["folder"]) == solver.parent / "files" / "oracle" / str(key) / f"{run_id}-1"
    assert (Path(told["folder"]) / "solver.log").is_file()


@pytest.mark.parametrize(
    ("how", "changes", "code", "words"),
    [
        ("hang", {"timeout_s": 1}, "timeout", "timeout: the solver was stopped"),
        ("killed", {}, "exit_code", "status 137 (killed: out of memory?"),
        ("garbage", {}, "invalid_result", "is no text file"),
        ("well", {"input_files": {"decks/main.k": "speed=1000\nhow=well"}}, "invalid_input", "/target"),
    ],
)
def test_a_solver_that_fails_does_so_with_a_reason_and_the_design_is_free(
    worker_sessions: Sessions, solver: Path, how: str, changes: dict[str, Any], code: str, words: str
) -> None:
    (key,) = approved(worker_sessions, solver, how, **changes)
    run_id = ordered(worker_sessions, key)
    simulation_run(run_id)
    run, row = read(worker_sessions, SimulationRun, run_id), read(worker_sessions, Recommendation, key)
    assert (run.status, run.error_code, row.status) == (RunStatus.FAILED, code, _S.FAILED)
    assert words in run.error_message
    assert words in reason_of(worker_sessions, key)
    assert read(worker_sessions, Sample, row.sample_id).target is None
    surrogate_id = 1
    again = add_round(worker_sessions, row.campaign_id, surrogate_id, [row.sample_id])
    assert read(worker_sessions, Recommendation, again[0]).status is _S.PROPOSED


@pytest.mark.parametrize("file_format", ["ev5", "iso_mme", "tdms"])
def test_curves_of_a_laboratory_s_format_end_as_a_label_or_as_a_reason(
    worker_sessions: Sessions, solver: Path, tmp_path: Path, file_format: str
) -> None:
    files = dict(FORMATS[file_format]())
    whole = write_folder(tmp_path / "whole", files)
    files[MAIN_FILE[file_format]] = files[MAIN_FILE[file_format]][:200]
    cut = write_folder(tmp_path / "cut", files)
    result = {"reader": file_format, "path": "."}
    (key,) = approved(worker_sessions, solver, "test", deck=f"test={whole}", result=result)
    simulation_run(ordered(worker_sessions, key))
    row = read(worker_sessions, Recommendation, key)
    sample = read(worker_sessions, Sample, row.sample_id)
    assert (row.status, sample.label_definition) == (_S.COMPLETED, "rolc/1")
    assert sample.target == pytest.approx(26.17, abs=0.005)
    assert sample.label_details["channels"]
    (key,) = approved(worker_sessions, solver, "test", deck=f"test={cut}", result=result)
    run_id = ordered(worker_sessions, key)
    simulation_run(run_id)
    run, row = read(worker_sessions, SimulationRun, run_id), read(worker_sessions, Recommendation, key)
    assert (run.status, row.status) == (RunStatus.FAILED, _S.FAILED)
    assert (run.error_code, run.error_message) == ("invalid_file", reason_of(worker_sessions, key))
    assert MAIN_FILE[file_format] in run.error_message


def test_only_a_lost_worker_is_a_reason_to_run_again(worker_sessions: Sessions, solver: Path) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    lose_worker(worker_sessions, run_id)
    assert newest_run(worker_sessions, key).status is RunStatus.QUEUED
    assert read(worker_sessions, Recommendation, key).status is _S.ORDERED
    simulation_run(run_id)
    assert read(worker_sessions, Recommendation, key).status is _S.COMPLETED
    assert (solver.parent / "files" / "oracle" / str(key) / f"{run_id}-2").is_dir(), "a fresh folder"


def lose_worker(sessions: Sessions, run_id: int) -> None:
    """A worker claims the run and dies; the house is kept."""
    with unit_of_work(sessions) as session:
        session.execute(
            text(
                "UPDATE simulation_runs SET status = 'running', attempt = attempt + 1, worker = 'dead', "
                "started_at = now(), lease_expires_at = now() - interval '1 hour' WHERE id = :id"
            ),
            {"id": run_id},
        )
    house(sessions)


def test_a_run_whose_worker_is_lost_too_often_fails_its_recommendation(
    worker_sessions: Sessions, solver: Path
) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    for _ in range(get_settings().run_attempts):
        lose_worker(worker_sessions, run_id)
    assert read(worker_sessions, SimulationRun, run_id).error_code == "worker_lost"
    assert read(worker_sessions, Recommendation, key).status is _S.FAILED
    assert "The worker was lost 3 times" in reason_of(worker_sessions, key)


def test_asking_again_while_it_runs_starts_no_second_one(worker_sessions: Sessions, solver: Path) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    assert ordered(worker_sessions, key) == run_id
    with worker_sessions() as session:
        assert len(session.scalars(select(SimulationRun)).all()) == 1


def test_whoever_gives_the_design_up_stops_its_solver(
    worker_sessions: Sessions, solver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.05)
    (key,) = approved(worker_sessions, solver, "hang")
    run_id = ordered(worker_sessions, key)
    real = simulations.begin

    def then_abandon(session: Session, run: SimulationRun) -> bool:
        begun = real(session, run)
        acquisitions.change(session, key, _S.ABANDONED, actor="test", reason="not any more")
        return begun

    monkeypatch.setattr(simulations, "begin", then_abandon)
    simulation_run(run_id)
    assert read(worker_sessions, SimulationRun, run_id).status is RunStatus.CANCELLED
    assert read(worker_sessions, Recommendation, key).status is _S.ABANDONED
    folder = solver.parent / "files" / "oracle" / str(key) / f"{run_id}-1"
    child = folder / "child.pid"
    assert not child.exists() or not is_alive(int(child.read_text()))


def test_a_result_by_hand_ends_a_waiting_run(worker_sessions: Sessions, solver: Path) -> None:
    (key,) = approved(worker_sessions, solver)
    run_id = ordered(worker_sessions, key)
    with unit_of_work(worker_sessions) as session:
        acquisitions.change(session, key, _S.FAILED, actor="test", reason="by hand")
    simulation_run(run_id)
    assert read(worker_sessions, SimulationRun, run_id).status is RunStatus.CANCELLED
    assert reason_of(worker_sessions, key) == "by hand"


def test_no_more_run_at_once_than_the_capacity(worker_sessions: Sessions, solver: Path) -> None:
    first, second = approved(worker_sessions, solver, count=2, capacity=1)
    ordered(worker_sessions, first)
    with pytest.raises(ConflictError, match="runs 1 orders at once"):
        ordered(worker_sessions, second)
    with unit_of_work(worker_sessions) as session:  # capacity was lowered while both were under way
        session.execute(text("UPDATE sources SET capacity = 2"))
    run_id = ordered(worker_sessions, second)
    with unit_of_work(worker_sessions) as session:
        session.execute(text("UPDATE sources SET capacity = 1 WHERE capacity = 2"))
        session.execute(
            text("UPDATE simulation_runs SET status = 'running' WHERE recommendation_id = :id"), {"id": first}
        )
    simulation_run(run_id)
    waiting = read(worker_sessions, SimulationRun, run_id)
    assert (waiting.status, waiting.progress_message) == (
        RunStatus.QUEUED,
        "waiting: 'simulation' runs 1 at once",
    )
    with unit_of_work(worker_sessions) as session:
        session.execute(
            text("UPDATE simulation_runs SET status = 'cancelled' WHERE recommendation_id = :id"),
            {"id": first},
        )
    simulation_run(run_id)
    assert read(worker_sessions, Recommendation, second).status is _S.COMPLETED
    with worker_sessions() as session:
        history = runs.history(session, session.get_one(SimulationRun, run_id))
    assert [line.outcome.value for line in history] == ["handed_back", "succeeded"]


def test_a_worker_that_may_not_run_it_says_so(
    worker_sessions: Sessions, solver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = approved(worker_sessions, solver)
    monkeypatch.setenv("CRASHSCOUT_ORACLE_COMMANDS", "[]")
    get_settings.cache_clear()
    simulation_run(ordered(worker_sessions, key))
    assert "CRASHSCOUT_ORACLE_COMMANDS" in reason_of(worker_sessions, key)
