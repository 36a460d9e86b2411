"""A solver that the worker may run."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from service.settings import get_settings
from tests.worker.oracles.solvers import write_solver


@pytest.fixture
def solver(worker_sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_solver(tmp_path)
    monkeypatch.setenv("CRASHSCOUT_ORACLE_COMMANDS", f'["{path}"]')
    get_settings.cache_clear()
    return path
