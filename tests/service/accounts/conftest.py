"""An API that lets nobody in without credentials, and keys and users for it."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.accounts import service as accounts
from service.accounts.schemas import ApiKeyCreate, UserCreate
from service.database.engine import unit_of_work
from service.main import create_app
from service.settings import Settings
from service.vocabulary import Role, Scope
from tests.support import client_of

CONFIGURED = "k3y-of-the-tests-0123456789"
SECRET = "s3cret-of-the-tests-0123456789"
PASSWORD = "chalk otter sleeps twice"


@pytest.fixture
def closed_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_key": SecretStr(CONFIGURED), "secret_key": SecretStr(SECRET)})


@pytest.fixture(scope="session")
def counted_application() -> FastAPI:
    """An application of its own: routes may be counted on it."""
    return create_app(Settings(_env_file=None))


@pytest.fixture
def closed(counted_application: FastAPI, closed_settings: Settings) -> Iterator[TestClient]:
    counted_application.state.settings = closed_settings
    with client_of(counted_application) as running:
        running.follow_redirects = False
        yield running


@pytest.fixture
def store(closed: TestClient) -> sessionmaker[Session]:
    return closed.app.state.sessions


@pytest.fixture
def admin(closed: TestClient) -> TestClient:
    """The same application, called with the configured key."""
    closed.headers["authorization"] = f"Bearer {CONFIGURED}"
    return closed


@pytest.fixture
def new_key(store: sessionmaker[Session]) -> Callable[..., dict[str, str]]:
    """Headers with a new key of the scopes."""

    def make(
        scopes: frozenset[Scope] = frozenset(Scope), campaign_ids: frozenset[int] | None = None
    ) -> dict[str, str]:
        request = ApiKeyCreate(name="tool", scopes=scopes, campaign_ids=campaign_ids)
        with unit_of_work(store) as session:
            _, token = accounts.create_key(session, request, actor="test", secret_key=SECRET)
        return {"authorization": f"Bearer {token}"}

    return make


@pytest.fixture
def new_user(store: sessionmaker[Session]) -> Callable[..., int]:
    def make(
        name: str = "a.meier", role: Role = Role.ADMIN, campaign_ids: frozenset[int] | None = None
    ) -> int:
        request = UserCreate(name=name, role=role, password=PASSWORD, campaign_ids=campaign_ids)
        with unit_of_work(store) as session:
            return accounts.create_user(session, request, actor="test").id

    return make
