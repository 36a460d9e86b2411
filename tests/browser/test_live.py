"""Pages keep up with what happens, say when they cannot, and need no inline code or style."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RecommendationStatus, RunStatus
from service.main import create_app
from service.runs import repository as runs
from service.runs import service as all_runs
from service.settings import Settings
from tests.browser.conftest import START_TIMEOUT_S, Watched
from tests.service.admin.rows import Rows, new_run
from tests.service.admin.story import Story, add_backtest, tell

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
STRICT = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'"


@pytest.fixture
def story(store: sessionmaker[Session]) -> Story:
    return tell(store)


def approve(store: sessionmaker[Session], recommendation_id: int) -> None:
    with unit_of_work(store) as session:
        acquisitions.change(session, recommendation_id, RecommendationStatus.APPROVED, actor="colleague")


def test_overview_follows_what_a_colleague_does(
    watched: Watched, story: Story, store: sessionmaker[Session]
) -> None:
    page = watched.open(f"/campaigns/{story.campaign_id}")
    expect(page.locator(".tasks")).to_contain_text("5 proposed tests wait")
    approve(store, story.rows.recommendation_ids[0])
    expect(page.locator(".tasks")).to_contain_text("4 proposed tests wait", timeout=SLOW_MS)
    expect(page.locator("[aria-labelledby=budget]")).to_contain_text("300,000 USD")
    expect(page.locator("#round-card .badge.approved")).to_have_text("1 approved")
    expect(page.locator("#round-card time").first).not_to_contain_text("UTC")


def test_an_opened_history_stays_open_while_the_run_goes_on(
    watched: Watched, rows: Rows, store: sessionmaker[Session]
) -> None:
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.QUEUED)
        session.add(run)
        session.flush()
        run_id = run.id
        runs.claim(session, ValuationRun, run_id, worker="first@host", lease_s=600)
        session.refresh(run)
        all_runs.lose(session, run, attempts=3, reason="no sign of life")
        runs.claim(session, ValuationRun, run_id, worker="second@host", lease_s=600)
    page = watched.open(f"/campaigns/{rows.campaign_id}/runs")
    line = page.locator(f"#valuation-runs-{run_id}")
    line.get_by_text("Attempts").click()
    expect(line.locator("li")).to_contain_text("no sign of life", timeout=SLOW_MS)
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run_id).progress_message = "epoch 211"
    expect(line).to_contain_text("epoch 211", timeout=SLOW_MS)  # renewed, with what was open
    expect(line.locator("li")).to_contain_text("first@host")
    expect(line.locator("li")).to_be_visible()
    with unit_of_work(store) as session:
        session.get_one(ValuationRun, run_id).status = RunStatus.CANCELLED
    expect(line.locator("details[open]")).to_have_count(0, timeout=SLOW_MS)  # what it said is no longer all
    line.get_by_text("Attempts").click()
    expect(line.locator("li")).to_be_visible(timeout=SLOW_MS)
    assert watched.problems == []


def test_an_open_dialog_is_not_taken_away(
    watched: Watched, story: Story, store: sessionmaker[Session]
) -> None:
    page = watched.open(f"/campaigns/{story.campaign_id}")
    page.get_by_role("button", name="Cancel it").click()
    approve(store, story.rows.recommendation_ids[0])
    expect(page.locator(".tasks")).to_contain_text("4 proposed tests wait", timeout=SLOW_MS)
    expect(page.locator("#cancel-round")).to_be_visible()
    expect(page.locator("#round-card .badge.proposed")).to_have_text("5 proposed")
    page.locator("#cancel-round").get_by_role("button", name="Back").click()
    expect(page.locator("#round-card .badge.proposed")).to_have_text("4 proposed", timeout=SLOW_MS)


def test_charts_have_a_table_and_follow_the_colour_scheme(watched: Watched, story: Story) -> None:
    page = watched.open(f"/campaigns/{story.campaign_id}/ledger")
    page.get_by_role("button", name="Show as table").click()
    expect(page.locator(".chart-table tbody tr")).to_have_count(4)
    expect(page.locator("#ledger-chart")).to_be_hidden()
    page.get_by_role("button", name="Show as chart").click()
    expect(page.locator("#ledger-chart canvas")).to_be_visible()
    colour = "crashscout.charts.chartOf(document.getElementById('ledger-chart'))?.getOption().color[0]"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    deadline = time.monotonic() + 30  # Playwright's own waiting evaluates a string, which the policy refuses
    while page.evaluate(colour) in {light, None}:  # none while it is drawn anew
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_measure_of_the_learning_curve_can_be_chosen(watched: Watched, story: Story) -> None:
    page = watched.open(f"/campaigns/{story.campaign_id}")
    chart = "crashscout.charts.chartOf(document.getElementById('learning'))"
    highest = f"Math.max(...{chart}.getOption().series[0].data.map((one) => one.value[1]))"
    expect(page.locator("#learning canvas")).to_be_visible()  # drawn when the page has been painted
    assert page.evaluate(highest) == pytest.approx(2.314)
    page.get_by_role("button", name="95 % below").click()
    assert page.evaluate(highest) == pytest.approx(4.43)
    expect(page.get_by_role("button", name="95 % below")).to_have_attribute("aria-pressed", "true")


def test_a_form_is_sent_once(watched: Watched, rows: Rows) -> None:
    """The answer without content leaves the page as it is while a form is on its way."""
    sent: list[str] = []

    def keep(route: Route) -> None:
        sent.append(route.request.post_data or "")
        route.fulfill(status=204)

    page = watched.open(f"/campaigns/{rows.campaign_id}/backtests")
    page.route(re.compile(r"/backtests$"), keep)
    page.get_by_label("bait").check()
    start = page.get_by_role("button", name="Start backtest")
    start.click()
    expect(start).to_be_disabled()
    assert len(sent) == 1
    assert "strategies=bait" in sent[0]


def strictly(route: Route) -> None:
    if (
        not route.request.is_navigation_request()
    ):  # parts of the page, renewed: one may be on its way at the end
        route.continue_()
        return
    answer = route.fetch()
    route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": STRICT})


@pytest.mark.parametrize(
    "page_path", ["", "/ledger", "/backtests", "/backtests/{backtest}", "/data-values", "/runs"]
)
def test_pages_need_no_inline_code_or_style(watched: Watched, story: Story, page_path: str) -> None:
    """Under the strictest policy nothing is refused: the browser would say so on its console."""
    watched.page.route(re.compile(r":\d+/campaigns/"), strictly)
    page = watched.open(f"/campaigns/{story.campaign_id}{page_path.format(backtest=story.backtest_id)}")
    expect(page.locator("[data-time-zone]").first).to_contain_text("Berlin")
    for chart in page.locator("[data-chart]").all():
        expect(chart.locator("canvas")).to_be_visible()


class Restartable:
    """The application on one port, stopped and started again as a server is at an update."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]

    def start(self) -> None:
        config = uvicorn.Config(
            create_app(self.settings), port=self.port, log_level="warning", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.server.started

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@contextmanager
def running(settings: Settings) -> Iterator[Restartable]:
    server = Restartable(settings)
    server.start()
    yield server
    server.stop()


def test_a_lost_connection_is_told_and_nothing_is_missed(
    browser: Browser, database_url: str, broker_url: str, story: Story, store: sessionmaker[Session]
) -> None:
    settings = Settings(_env_file=None, database_url=database_url, broker_url=broker_url)
    with running(settings) as server:
        page: Page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/campaigns/{story.campaign_id}")
        expect(page.locator(".tasks")).to_contain_text("5 proposed tests wait")
        banner = page.locator("#connection")
        expect(banner).to_be_hidden()
        server.stop()
        expect(banner).to_contain_text("Connection lost, showing the state of", timeout=SLOW_MS)
        approve(store, story.rows.recommendation_ids[0])
        server.start()
        expect(banner).to_be_hidden(timeout=SLOW_MS)
        expect(page.locator(".tasks")).to_contain_text("4 proposed tests wait", timeout=SLOW_MS)
        page.close()


def test_progress_of_a_backtest_ends_in_its_report(
    watched: Watched, rows: Rows, store: sessionmaker[Session]
) -> None:
    from service.database.models import Backtest
    from tests.service.admin.story import report

    key = add_backtest(store, rows.campaign_id, RunStatus.RUNNING)
    page = watched.open(f"/campaigns/{rows.campaign_id}/backtests/{key}")
    expect(page.locator("#progress")).to_contain_text("42 % · epoch 210")
    with unit_of_work(store) as session:
        backtest = session.get_one(Backtest, key)
        backtest.status, backtest.metrics, backtest.data_hash = RunStatus.SUCCEEDED, report(), "0" * 64
    expect(page.get_by_role("heading", name="Verdict")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#backtest canvas")).to_be_visible()
