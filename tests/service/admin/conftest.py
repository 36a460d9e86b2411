"""The dashboard in this process, as a browser asks for it."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.settings import Settings
from tests.service.admin.rows import Rows, add_campaign


@pytest.fixture
def dashboard_settings(database_url: str, broker_url: str) -> Settings:
    return Settings(_env_file=None, database_url=database_url, broker_url=broker_url)


@pytest.fixture
def dashboard(application: FastAPI, dashboard_settings: Settings) -> Iterator[TestClient]:
    application.state.settings = dashboard_settings
    headers = {"accept": "text/html", "sec-fetch-site": "same-origin"}
    with TestClient(
        application,
        base_url="http://localhost",
        headers=headers,
        raise_server_exceptions=False,
        follow_redirects=False,
    ) as client:
        yield client


@pytest.fixture
def store(dashboard: TestClient) -> sessionmaker[Session]:
    return dashboard.app.state.sessions


@pytest.fixture
def rows(store: sessionmaker[Session]) -> Rows:
    return add_campaign(store)
