"""A whole installation for each module: API, worker and beat as processes of their own; or the API alone."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from service.embedded import EmbeddedEngines
from service.settings import Settings
from service.stack import Child, Stack, free_port, running_stack
from tests.conftest import database_named


@pytest.fixture(scope="module")
def stack(
    engines: EmbeddedEngines,
    administrator: psycopg.Connection,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    name = f"functional_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    settings = Settings(database_url=database_named(engines, name), broker_url=engines.broker_url)
    folder: Path = tmp_path_factory.mktemp("stack")
    with running_stack(
        settings, data_folder=folder, host="127.0.0.1", port=free_port(), announce=print
    ) as running:
        yield running
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/v1", timeout=60) as client:
        yield client


API_KEY = "k3y-of-the-tests-0123456789"
LONGEST_START_S = 90.0
_RATES = [f"CRASHSCOUT_{name}_PER_MINUTE" for name in ("READS", "WRITES", "WRONG_KEYS")]


@pytest.fixture(scope="module")
def headers() -> dict[str, str]:
    """What a caller with every right sends: the one place that says how."""
    return {"Authorization": f"Bearer {API_KEY}"}


@pytest.fixture(scope="module")
def api_settings(
    engines: EmbeddedEngines,
    administrator: psycopg.Connection,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """Database, broker and folder of `locked_api`."""
    name = f"functional_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    folder = tmp_path_factory.mktemp("api")
    url = database_named(engines, name)
    yield Settings(_env_file=None, database_url=url, broker_url=engines.broker_url, files_dir=folder)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def locked_api(api_settings: Settings) -> Iterator[str]:
    """The address of the web process alone, closed by a key: what is asked for here waits in the queue."""
    assert api_settings.files_dir
    environment = os.environ | {
        "CRASHSCOUT_DATABASE_URL": api_settings.database_url,
        "CRASHSCOUT_BROKER_URL": api_settings.broker_url,
        "CRASHSCOUT_FILES_DIR": str(api_settings.files_dir),
        "CRASHSCOUT_API_KEY": API_KEY,
    }
    environment |= dict.fromkeys(_RATES, "10000000")  # generated requests come in hundreds a second
    port = free_port()
    log = api_settings.files_dir / "api.log"
    child = Child("api", ["api", "--port", str(port)], log, environment)
    try:
        wait_for(child, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        child.process.terminate()
        child.process.wait(60)


def wait_for(child: Child, url: str) -> None:
    """Until the API is ready, or has ended."""
    deadline = time.monotonic() + LONGEST_START_S
    while time.monotonic() < deadline:
        child.check()
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    raise AssertionError(f"the API does not answer: {child.log.read_text()}")
