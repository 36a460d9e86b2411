"""A whole installation for each module: API, worker and beat as processes of their own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from service.embedded import EmbeddedEngines
from service.settings import Settings
from service.stack import Stack, free_port, running_stack
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
