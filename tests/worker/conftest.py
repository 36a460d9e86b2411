"""A worker's surroundings in this process: its own settings and session factory on the test's database."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.settings import get_settings
from worker import process
from worker.device import use_threads


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """As in a worker process."""
    use_threads(1)


@pytest.fixture
def worker_sessions(
    database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sessionmaker[Session]]:
    monkeypatch.setenv("CRASHSCOUT_DATABASE_URL", database_url)
    monkeypatch.setenv("CRASHSCOUT_BROKER_URL", broker_url)
    monkeypatch.setenv("CRASHSCOUT_DEVICE", "cpu")
    monkeypatch.setenv("CRASHSCOUT_FILES_DIR", str(tmp_path / "files"))
    get_settings.cache_clear()
    process.sessions.cache_clear()
    factory = process.sessions()
    yield factory
    factory.kw["bind"].dispose()
    get_settings.cache_clear()
    process.sessions.cache_clear()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
