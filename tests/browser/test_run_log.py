"""The log of a run in a real browser: it grows by itself, keeps to its end, and lets a reader be who scrolled up."""

import time
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.run_logs import service as run_logs
from service.run_logs.schemas import Said
from service.runs import repository as runs
from service.vocabulary import LogLevel, LogSpeaker
from tests.browser.conftest import Watched
from tests.service.admin.rows import Rows, new_run

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
FROM_END = """(() => {
  const log = document.getElementById("run-log");
  return log.scrollHeight - log.scrollTop - log.clientHeight;
})()"""


@pytest.fixture
def run_id(store: sessionmaker[Session], rows: Rows) -> int:
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.QUEUED)
        session.add(run)
        session.flush()
        runs.claim(session, ValuationRun, run.id, worker="one@host", lease_s=600)
        return run.id


def say(store: sessionmaker[Session], run_id: int, *texts: str) -> None:
    with unit_of_work(store) as session:
        lines = [Said(time.monotonic(), LogLevel.INFO, LogSpeaker.WORKER, text) for text in texts]
        run_logs.append(session, session.get_one(ValuationRun, run_id), lines, cut=False)


def shown(page: Page, text: str) -> None:
    expect(page.locator("#run-log .said", has_text=text)).to_have_count(1, timeout=SLOW_MS)


def test_the_log_follows_its_end_unless_the_reader_scrolled_up(
    watched: Watched, store: sessionmaker[Session], run_id: int
) -> None:
    say(store, run_id, *(f"step {number:03}" for number in range(150)))
    page = watched.open(f"/valuation-runs/{run_id}")
    log, newest = page.get_by_role("log"), page.get_by_role("button", name="Go to the newest line")
    shown(page, "step 149")
    assert page.evaluate(FROM_END) < 2
    expect(log.locator("time").first).not_to_contain_text("UTC")
    say(store, run_id, "step 150")
    shown(page, "step 150")
    assert page.evaluate(FROM_END) < 2
    log.evaluate("log => { log.scrollTop = 100; }")
    expect(newest).to_be_visible()
    say(store, run_id, "step 151")
    shown(page, "step 151")
    assert log.evaluate("log => log.scrollTop") == 100, "the reader stays"
    newest.click()
    expect(newest).to_be_hidden()
    assert page.evaluate(FROM_END) < 2
    expect(log).to_be_focused()  # arrows scroll on from there
    with unit_of_work(store) as session:
        run = session.get_one(ValuationRun, run_id)
        run.status, run.finished_at = RunStatus.CANCELLED, database_time(session) - timedelta(minutes=1)
    expect(log).to_contain_text("End of the log.", timeout=SLOW_MS)
    expect(page.locator("#run-state .badge").first).to_have_text("cancelled", timeout=SLOW_MS)
    expect(page.locator("#run-log [hx-get]")).to_have_count(0)
    assert page.evaluate(FROM_END) < 2


def test_earlier_lines_come_in_above_and_the_reader_stays(
    watched: Watched, store: sessionmaker[Session], run_id: int
) -> None:
    say(store, run_id, *(f"step {number:03}" for number in range(230)))
    page = watched.open(f"/valuation-runs/{run_id}")
    log = page.get_by_role("log")
    log.evaluate("log => { log.scrollTop = 0; }")
    expect(page.get_by_role("button", name="Go to the newest line")).to_be_visible()
    before = page.evaluate(FROM_END)
    page.get_by_role("button", name="Show earlier lines").click()
    shown(page, "step 000")
    assert page.get_by_role("button", name="Show earlier lines").count() == 0
    assert abs(page.evaluate(FROM_END) - before) < 60, "what was read stays in sight"
    assert log.locator(".said").all_inner_texts() == [f"step {number:03}" for number in range(230)]
