"""The dashboard in a real browser: decisions, live progress, charts, and nothing loaded from elsewhere."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.main import create_app
from service.settings import Settings
from tests.service.admin.rows import Rows, add_campaign, new_run

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
START_TIMEOUT_S = 20

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


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


def test_approve(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/recommendations?status=proposed")
    page.get_by_role("button", name="Approve D-0").click()
    expect(page.get_by_role("status")).to_contain_text("Approved D-0: 300,000 USD committed")
    expect(page.get_by_role("button", name="Approve D-0")).to_have_count(0)
    expect(page.get_by_role("button", name="Approve D-1")).to_be_visible()
    expect(page.get_by_role("link", name="approved 1")).to_be_visible()


def test_message_and_form_of_the_last_row_are_in_sight(
    watched: Watched, store: sessionmaker[Session]
) -> None:
    rows = add_campaign(store, candidates=30)
    page = watched.open(f"/campaigns/{rows.campaign_id}/recommendations")
    page.get_by_label("Reject D-29").click()
    reason = page.locator(f"#recommendation-{rows.recommendation_ids[-1]}").get_by_label("Reason")
    expect(reason).to_be_in_viewport(ratio=1)
    reason.fill("No body left.")
    page.get_by_role("button", name="Reject it").last.click()
    expect(page.get_by_role("status")).to_be_in_viewport(ratio=1)
    expect(page.locator(f"#recommendation-{rows.recommendation_ids[-1]}")).to_be_in_viewport()


def test_reject_with_the_keyboard(watched: Watched, rows: Rows) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}/recommendations")
    page.get_by_label("Reject D-0").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # without a reason: the browser holds the form back
    expect(page.locator(".flash")).to_have_count(0)
    page.keyboard.type("No body left.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Rejected D-0; a later round may propose it again.")
    expect(page.locator(f"#recommendation-{rows.recommendation_ids[0]}")).to_contain_text("No body left.")


def test_progress_moves_by_itself_and_stops(
    watched: Watched, rows: Rows, store: sessionmaker[Session]
) -> None:
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.RUNNING)
        session.add(run)
    page = watched.open(f"/campaigns/{rows.campaign_id}/runs")
    row = page.locator(f"#valuation-runs-{run.id}")
    expect(row).to_contain_text("42 % · epoch 210")
    cancel = page.get_by_role("button", name=f"Cancel Valuation {run.id}")
    cancel.focus()
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run.id).progress = 0.77
    expect(row).to_contain_text("77 %")
    expect(cancel).to_be_focused()
    expect(row.locator("time")).not_to_contain_text("UTC")  # the new part, too, shows the reader's own time
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run.id).status = RunStatus.CANCELLED
    expect(row).to_contain_text("cancelled")
    asked = len(watched.addresses)
    page.wait_for_timeout(2500)
    assert len(watched.addresses) == asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn(watched: Watched, rows: Rows, scheme: str) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    page = watched.open(f"/campaigns/{rows.campaign_id}/data-values")
    expect(page.locator("[data-plot] canvas")).to_have_count(2)
    colours = page.evaluate(
        """() => [...document.querySelectorAll("[data-plot] canvas")].map((canvas) => {
            const pixels = new Uint32Array(
                canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
            return new Set(pixels).size;
        })"""
    )
    assert min(colours) > 10


@pytest.mark.parametrize("page_path", ["", "/recommendations", "/data-values", "/runs"])
def test_pages_fit_a_tablet_and_show_local_time(watched: Watched, rows: Rows, page_path: str) -> None:
    page = watched.open(f"/campaigns/{rows.campaign_id}{page_path}")
    moment = page.locator("time").first
    expect(moment).not_to_contain_text("UTC")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
