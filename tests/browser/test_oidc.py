"""Signing in at a provider on another site, in a real browser: its rules for cookies and policies hold."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser
from pydantic import SecretStr

from service.accounts import bootstrap, service
from service.accounts.schemas import UserCreate
from service.main import create_app
from service.settings import Settings
from service.vocabulary import Role
from tests.browser.conftest import START_TIMEOUT_S, Watched
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, running_provider

pytestmark = pytest.mark.browser


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with running_provider() as running:
        # Another site than 127.0.0.1 to a browser.
        running.url = running.url.replace("127.0.0.1", "localhost")
        yield running


@pytest.fixture
def oidc_origin(provider: OidcProvider, database_url: str, broker_url: str) -> Iterator[str]:
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        broker_url=broker_url,
        secret_key=SecretStr("s3cret-of-the-tests-0123456789"),
        oidc_issuer=provider.url,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=SecretStr(CLIENT_SECRET),
        oidc_roles={"crash-engineers": "engineer"},
        oidc_label="the company account",
        oidc_contact="it-desk@cars.example",
    )
    with bootstrap.one_transaction(database_url) as session:
        request = UserCreate(name="root", role=Role.ADMIN, password="chalk otter sleeps twice")
        service.create_user(session, request, actor="test")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_to_the_provider_and_back_out_and_refused(
    browser: Browser, oidc_origin: str, provider: OidcProvider
) -> None:
    page = browser.new_page(viewport={"width": 768, "height": 800})
    watched = Watched(page, oidc_origin)
    watched.open("/campaigns")
    page.get_by_role("button", name="Sign in with the company account").click()
    page.wait_for_url(f"{oidc_origin}/campaigns")
    assert "a.meier@cars.example" in page.inner_text(".account")
    page.locator("form[action='/logout'] button").click()
    page.wait_for_url(f"{oidc_origin}/login?left=1")
    assert page.get_by_role("link", name="sign out of the company account too").is_visible()
    assert watched.problems == []
    provider.person["groups"] = []
    page.get_by_role("button", name="Sign in with the company account").click()
    page.locator("#login-error").wait_for()
    assert "Ask it-desk@cars.example." in page.inner_text("#login-error")
    page.close()
