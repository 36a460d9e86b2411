"""Folders of solvers go when their run ended long ago, and only if the operator asked for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import solver_files
from service.database.models import SimulationRun
from service.settings import Settings
from tests.service.database.conftest import Store
from tests.support import psycopg_url

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
KEPT_DAYS = 30


@pytest.fixture
def bounded(settings: Settings, tmp_path: Path) -> Settings:
    changes = {"solver_file_retention_days": KEPT_DAYS, "files_dir": tmp_path}
    return settings.model_copy(update=changes)


@pytest.fixture
def runs(database_url: str, sessions: sessionmaker[Session], bounded: Settings) -> dict[str, SimulationRun]:
    """Runs with the files of two attempts each: one ended long ago, one lately, one is under way."""
    moments = {"old": NOW - timedelta(days=KEPT_DAYS, hours=1), "new": NOW - timedelta(days=KEPT_DAYS - 1)}
    with psycopg.connect(psycopg_url(database_url)) as connection:
        store = Store(connection)
        names = ("old", "new", "running")
        ids = {name: _run(store, rank, moments.get(name)) for rank, name in enumerate(names, 1)}
    with sessions() as session:
        found = {name: session.get_one(SimulationRun, key) for name, key in ids.items()}
    for run in found.values():
        for run.attempt in (1, 2):
            deck = solver_files.folder_of(bounded, run) / "deck"
            deck.mkdir(parents=True)
            (deck / "car.k").write_text("*KEYWORD")
    return found


def _run(store: Store, rank: int, finished_at: datetime | None) -> int:
    status = "running" if finished_at is None else "cancelled"
    recommendation_id = store.recommend(store.sample(), rank=rank)
    own = {"campaign_id": store.campaign_id, "recommendation_id": recommendation_id}
    return store.insert("simulation_runs", **own, status=status, finished_at=finished_at)


def test_what_ended_long_ago_goes_and_nothing_else(
    sessions: sessionmaker[Session], bounded: Settings, runs: dict[str, SimulationRun]
) -> None:
    place = solver_files.folder_of(bounded, runs["old"]).parent
    others = [place / "4711-1", place / "notes-2026"]
    for other in others:  # a run of another database, and what is no run's
        other.mkdir()
    assert solver_files.prune(sessions, bounded, now=NOW) == 2
    assert sorted(place.iterdir()) == sorted(others)
    assert all(solver_files.folder_of(bounded, runs[name]).is_dir() for name in ("new", "running"))
    assert solver_files.prune(sessions, bounded, now=NOW) == 0


def test_nothing_goes_unless_it_is_asked_for(
    sessions: sessionmaker[Session], bounded: Settings, runs: dict[str, SimulationRun]
) -> None:
    kept = bounded.model_copy(update={"solver_file_retention_days": None})
    assert solver_files.prune(sessions, kept, now=NOW + timedelta(days=9999)) == 0
    assert all(solver_files.folder_of(kept, run).is_dir() for run in runs.values())


def test_without_any_folder_there_is_nothing_to_do(
    sessions: sessionmaker[Session], bounded: Settings
) -> None:
    assert solver_files.prune(sessions, bounded, now=NOW) == 0
