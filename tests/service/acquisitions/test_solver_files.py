"""Folders of solvers go when their run ended long ago, and only if the operator asked for it."""

import shutil
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

KEPT_DAYS = 30
Runs = dict[str, SimulationRun]


@pytest.fixture
def bounded(settings: Settings, tmp_path: Path) -> Settings:
    changes = {"solver_file_retention_days": KEPT_DAYS, "files_dir": tmp_path}
    return settings.model_copy(update=changes)


@pytest.fixture
def runs(database_url: str, sessions: sessionmaker[Session], bounded: Settings) -> Runs:
    """Runs with the files of two attempts each: one ended long ago, one lately, one is under way."""
    now = datetime.now(UTC)
    moments = {"old": now - timedelta(days=KEPT_DAYS, hours=1), "new": now - timedelta(days=KEPT_DAYS - 1)}
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
    own = {"campaign_id": store.campaign_id, "recommendation_id": recommendation_id, "attempt": 2}
    return store.insert("simulation_runs", **own, status=status, finished_at=finished_at)


def folders(settings: Settings, run: SimulationRun) -> Path:
    return solver_files.folder_of(settings, run).parent


def test_what_ended_long_ago_goes_and_nothing_else(
    sessions: sessionmaker[Session], bounded: Settings, runs: Runs, tmp_path: Path
) -> None:
    place, run_id = folders(bounded, runs["old"]), runs["old"].id
    others = [place / name for name in (f"{run_id}-3", f"{run_id}-1-copy", f"{run_id}-backup", "4711-1")]
    others.append(folders(bounded, runs["new"]) / f"{run_id}-1")  # the run of another recommendation
    for other in others:
        other.mkdir()
    assert solver_files.prune(sessions, bounded) == 2
    assert sorted(place.iterdir()) == sorted(others[:-1])
    assert others[-1].is_dir()
    assert all(solver_files.folder_of(bounded, runs[name]).is_dir() for name in ("new", "running"))
    assert solver_files.prune(sessions, bounded) == 0


def test_what_cannot_be_deleted_keeps_nothing_else(
    sessions: sessionmaker[Session],
    bounded: Settings,
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused_once(folder: Path, remove: object = shutil.rmtree) -> None:
        monkeypatch.setattr(shutil, "rmtree", remove)
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(shutil, "rmtree", refused_once)  # these tests may run as root, whom no mode stops
    assert solver_files.prune(sessions, bounded) == 1
    assert "cannot be deleted: [Errno 13] Permission denied" in caplog.text
    assert solver_files.prune(sessions, bounded) == 1


def test_a_folder_that_was_moved_away_and_linked_is_left_alone(
    sessions: sessionmaker[Session], bounded: Settings, runs: Runs, tmp_path: Path
) -> None:
    folder = folders(bounded, runs["old"]) / f"{runs['old'].id}-1"
    moved = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(moved)
    assert solver_files.prune(sessions, bounded) == 1
    assert (moved / "deck" / "car.k").is_file()


def test_the_folders_of_another_database_are_left_alone(
    sessions: sessionmaker[Session], bounded: Settings, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(7):
        (bounded.files_dir / "oracle" / "9000" / f"{number}-1").mkdir(parents=True)
    assert solver_files.prune(sessions, bounded) == 0
    assert "7 of 13 folders of solvers belong to no simulation" in caplog.text
    assert solver_files.folder_of(bounded, runs["old"]).is_dir()


def test_nothing_goes_unless_it_is_asked_for(
    sessions: sessionmaker[Session], bounded: Settings, runs: Runs
) -> None:
    kept = bounded.model_copy(update={"solver_file_retention_days": None})
    assert solver_files.prune(sessions, kept) == 0
    assert all(solver_files.folder_of(kept, run).is_dir() for run in runs.values())


def test_without_any_folder_there_is_nothing_to_do(
    sessions: sessionmaker[Session], bounded: Settings
) -> None:
    assert solver_files.prune(sessions, bounded) == 0
