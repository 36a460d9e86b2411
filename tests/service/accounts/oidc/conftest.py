"""An application whose users sign in at a provider on this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.credentials import COOKIE
from service.settings import Settings
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, running_provider
from tests.service.accounts.conftest import CONFIGURED
from tests.support import API, client_of

ROLES = {"crash-viewers": "viewer", "crash-engineers": "engineer", "crash-admins": "admin"}
Open = Callable[..., TestClient]
ADMIN = {"authorization": f"Bearer {CONFIGURED}"}


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def oidc_settings(closed_settings: Settings, provider: OidcProvider) -> Settings:
    return closed_settings.model_copy(
        update={
            "oidc_issuer": provider.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
            "oidc_roles": ROLES,
            "oidc_label": "the car company",
            "oidc_contact": "it-desk@cars.example",
        }
    )


@pytest.fixture
def open_app(application: FastAPI, oidc_settings: Settings) -> Iterator[Open]:
    """The application under these settings with changes; what was opened before is closed."""
    with ExitStack() as cleanup:

        def start(**changes: object) -> TestClient:
            cleanup.close()
            application.state.settings = oidc_settings.model_copy(update=changes)
            client = cleanup.enter_context(client_of(application))
            client.follow_redirects = False
            return client

        yield start


@pytest.fixture
def browser(open_app: Open) -> TestClient:
    return open_app()


def begin(browser: TestClient, next_url: str = "/campaigns") -> str:
    """Press the button; where the provider sends the browser back to."""
    started = browser.get("/login/oidc", params={"next": next_url})
    assert started.status_code == 303, started.text
    answer = httpx.get(started.headers["location"], follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def sign_in(browser: TestClient, next_url: str = "/campaigns") -> httpx.Response:
    return browser.get(begin(browser, next_url))


def answer_of(url: str) -> dict[str, str]:
    """The parameters with which the provider sends a browser back."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def callback(browser: TestClient, **answer: str) -> httpx.Response:
    return browser.get("/login/oidc/callback", params=answer)


def assert_refused(browser: TestClient, answer: httpx.Response, status: int = 403) -> None:
    """The login page says why, and nobody came in."""
    assert answer.status_code == status, answer.text
    assert 'role="alert"' in answer.text
    assert COOKIE not in browser.cookies
    assert browser.get(f"{API}/me").status_code == 401
