"""Liveness and readiness, on engines that are there and engines that are not."""

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.settings import Settings
from service.stack import free_port
from tests.support import assert_problem, open_client


def test_a_complete_installation_is_ready(client: TestClient) -> None:
    assert client.get("/health/live").json() == client.get("/health/ready").json() == {"status": "ok"}


def without_database(settings: Settings) -> Settings:
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing"
    return settings.model_copy(update={"database_url": url})


def test_without_a_database_it_lives_and_is_not_ready(settings: Settings) -> None:
    with open_client(without_database(settings)) as client:
        assert client.get("/health/live").status_code == 200
        problem = assert_problem(client.get("/health/ready"), 503, "unavailable")
    assert "database" in problem["detail"]


def test_without_a_database_the_api_is_unavailable(settings: Settings) -> None:
    with open_client(without_database(settings)) as client:
        assert_problem(client.get("/api/v1/campaigns"), 503, "unavailable")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '0'"]
)
def test_an_old_database_is_not_ready(client: TestClient, statement: str) -> None:
    with unit_of_work(client.app.state.sessions) as session:
        session.execute(text(statement))
    problem = assert_problem(client.get("/health/ready"), 503, "unavailable")
    assert "crashscout migrate" in problem["hint"]
