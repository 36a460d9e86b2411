"""Real engines for all tests, and one database per test from a migrated template."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from fastapi import FastAPI
from sqlalchemy import make_url
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from service.embedded import EmbeddedEngines
from service.main import create_app
from service.settings import Settings
from tests.support import client_of

TEMPLATE = "crashscout_template"


class OneAtATime(LoadFileScheduling):
    """Two cores share the tests file by file (`pytest -n 2`); what starts whole processes runs on one of them."""

    def _split_scope(self, nodeid: str) -> str:
        machine = nodeid.startswith(("tests/functional/", "tests/browser/"))
        return "whole processes" if machine else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneAtATime:
    return OneAtATime(config, log)


def pytest_configure() -> None:
    """What the developer has set for a real installation must not reach the tests."""
    for name in [name for name in os.environ if name.startswith("CRASHSCOUT_")]:
        del os.environ[name]


def fast_temporary_folder() -> Path:
    """Memory where it is large enough and may hold programs (not in a container's default of 64 MB), else disk.

    Measured: a database from the template takes 15 ms there, and 115 to 180 ms on a busy disk.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        state = os.statvfs(memory)
        if state.f_bavail * state.f_frsize > 2**30 and not state.f_flag & os.ST_NOEXEC:
            return memory
    return Path(tempfile.gettempdir())


@contextmanager
def new_data_folder() -> Iterator[Path]:
    """A folder that, unlike pytest's own temporary ones, the engines' user can enter."""
    with tempfile.TemporaryDirectory(prefix="crashscout-test-", dir=fast_temporary_folder()) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture
def data_folder() -> Iterator[Path]:
    with new_data_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def module_data_folder() -> Iterator[Path]:
    with new_data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def engines() -> Iterator[EmbeddedEngines]:
    with new_data_folder() as folder, EmbeddedEngines(folder, durable=False) as running:
        yield running


@pytest.fixture
def broker_url(engines: EmbeddedEngines) -> Iterator[str]:
    """The broker, emptied after each test."""
    yield engines.broker_url
    with redis.Redis.from_url(engines.redis_url) as client:
        client.flushdb()


def database_named(engines: EmbeddedEngines, name: str) -> str:
    return make_url(engines.database_url).set(database=name).render_as_string()


@pytest.fixture(scope="session")
def administrator(engines: EmbeddedEngines) -> Iterator[psycopg.Connection]:
    """A connection for CREATE and DROP DATABASE."""
    url = make_url(engines.database_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template_database(engines: EmbeddedEngines, administrator: psycopg.Connection) -> str:
    """A database with all migrations, made once; each test gets a copy."""
    from service.database.migrate import upgrade

    administrator.execute(f"CREATE DATABASE {TEMPLATE}")
    upgrade(database_named(engines, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(
    engines: EmbeddedEngines, administrator: psycopg.Connection, template_database: str
) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield database_named(engines, name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url: str, broker_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, database_url=database_url, broker_url=broker_url, files_dir=tmp_path / "files"
    )


@pytest.fixture(scope="session")
def application() -> FastAPI:
    """Built once, as that takes 0.3 s; engines are opened only when a client starts it."""
    return create_app(Settings(_env_file=None))


@pytest.fixture
def client(application: FastAPI, settings: Settings) -> Iterator[TestClient]:
    """The API in this process, on its own database; errors answer as they do in production."""
    application.state.settings = settings
    with client_of(application) as running:
        yield running


@pytest.fixture
def sessions(client: TestClient) -> sessionmaker[Session]:
    """The session factory of the running API: it sends messages after the commit."""
    return client.app.state.sessions
