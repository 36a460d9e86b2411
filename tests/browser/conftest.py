"""A real browser on a real server: a page that is watched for errors and for what it loads."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import make_engine, make_session_factory
from service.main import create_app
from service.settings import Settings
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
