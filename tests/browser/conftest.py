"""A real browser on a real server: a page that is watched for errors and for what it loads."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import make_engine, make_session_factory
from service.embedded import EmbeddedEngines
from service.main import create_app
from service.settings import Settings
from service.stack import free_port, running_stack
from tests.browser import demo as demonstration
from tests.browser.demo import NAME, PASSWORD, Demo
from tests.conftest import database_named
from tests.service.admin.rows import Rows, add_campaign

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
START_TIMEOUT_S = 20


@dataclass
class Watched:
    """A page whose console and requests are written down."""

    page: Page
    origin: str
    problems: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def _on_request(self, request: Request) -> None:
        self.addresses.append(request.url)

    def open(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    @property
    def external(self) -> list[str]:
        return [address for address in self.addresses if not address.startswith((self.origin, "data:"))]


@pytest.fixture
def store(database_url: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(database_url)
    yield make_session_factory(engine)
    engine.dispose()


@pytest.fixture
def rows(store: sessionmaker[Session]) -> Rows:
    return add_campaign(store)


@pytest.fixture
def origin(database_url: str, broker_url: str) -> Iterator[str]:
    """The application on a loopback port of its own."""
    settings = Settings(_env_file=None, database_url=database_url, broker_url=broker_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without it these tests say so, and in CI (`CI` is set) they fail."""
    if not CHROMIUM.exists():
        missing = f"{CHROMIUM} is not installed: `make browser` as root brings it on Debian and Ubuntu"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def watched(browser: Browser, origin: str) -> Iterator[Watched]:
    """A tablet in Berlin; at the end nothing may have gone wrong or come from elsewhere."""
    context = browser.new_context(
        viewport={"width": 820, "height": 1180}, timezone_id="Europe/Berlin", locale="en-GB"
    )
    watching = Watched(context.new_page(), origin)
    yield watching
    context.close()
    assert watching.problems == []
    assert watching.external == []


API_KEY = "k3y-of-the-browser-tests-0123456789"


@pytest.fixture(scope="session")
def demo(
    engines: EmbeddedEngines,
    administrator: psycopg.Connection,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Demo]:
    """API, worker and beat as processes, closed by a key, with one campaign for the whole session.

    Its broker is a database of its own: other tests empty theirs.
    """
    name = f"browser_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    settings = Settings(
        _env_file=None,
        database_url=database_named(engines, name),
        broker_url=engines.broker_url.replace("virtual_host=0", "virtual_host=1"),
        api_key=API_KEY,
    )
    folder = tmp_path_factory.mktemp("browser")
    with ExitStack() as running:
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # the children alone get it: other tests follow in this process
            patch.setenv("CRASHSCOUT_API_KEY", API_KEY)
            patch.setenv("CRASHSCOUT_WEBHOOK_ALLOWED_NETWORKS", '["127.0.0.0/8"]')
            stack = running.enter_context(
                running_stack(
                    settings, data_folder=folder, host="127.0.0.1", port=free_port(), announce=print
                )
            )
        told = demonstration.tell(stack, settings.database_url, API_KEY)
        running.enter_context(closing(told.api))
        yield told
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


def sign_in(page: Page, origin: str) -> None:
    """By the form, as everyone."""
    page.goto(f"{origin}/login")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/campaigns")


@pytest.fixture(scope="module")
def signed_in(browser: Browser, demo: Demo) -> Iterator[BrowserContext]:
    """A desktop in Berlin that somebody has signed in on; its pages share the session."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, timezone_id="Europe/Berlin", locale="en-GB"
    )
    page = context.new_page()
    sign_in(page, demo.origin)
    page.close()
    yield context
    context.close()


@pytest.fixture
def desk(signed_in: BrowserContext, demo: Demo) -> Iterator[Watched]:
    """A page of the signed-in desktop; at the end nothing may have gone wrong or come from elsewhere."""
    watching = Watched(signed_in.new_page(), demo.origin)
    yield watching
    watching.page.close()
    assert watching.problems == []
    assert watching.external == []
