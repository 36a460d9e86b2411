"""The page of one run: where it stands, its log part by part, and what can be done about it."""

import time
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import service as acquisitions
from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import Recommendation, SimulationRun, ValuationRun
from service.lifecycles import RecommendationStatus, RunStatus
from service.run_logs import service as run_logs
from service.run_logs.schemas import Said
from service.runs import repository as runs
from service.runs import service as all_runs
from service.vocabulary import LogLevel, LogSpeaker
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows, new_run

Store = sessionmaker[Session]
_S = RecommendationStatus


@pytest.fixture
def run_id(store: Store, rows: Rows) -> int:
    """A valuation in its second attempt."""
    with unit_of_work(store) as session:
        run = new_run(ValuationRun, rows.campaign_id, RunStatus.QUEUED)
        session.add(run)
        session.flush()
        runs.claim(session, ValuationRun, run.id, worker="first@host", lease_s=600)
        session.refresh(run)
        all_runs.lose(session, run, attempts=3, reason="no sign of life")
        runs.claim(session, ValuationRun, run.id, worker="second@host", lease_s=600)
        return run.id


def say(
    store: Store, run_id: int, *texts: str, level: LogLevel = LogLevel.INFO,
    speaker: LogSpeaker = LogSpeaker.WORKER, kind: type = ValuationRun,
) -> None:  # fmt: skip
    with unit_of_work(store) as session:
        run = session.get_one(kind, run_id)
        lines = [Said(time.monotonic(), level, speaker, text) for text in texts]
        run_logs.append(session, run, lines, cut=False)


def said(soup: BeautifulSoup) -> list[str]:
    return [text_of(line) for line in soup.select(".line .said")]


def test_a_run_tells_where_it_stands_and_what_it_says(
    dashboard: TestClient, store: Store, rows: Rows, run_id: int
) -> None:
    say(store, run_id, "epoch 1 of 300")
    say(store, run_id, "a row is <b>odd</b>", level=LogLevel.WARNING)
    soup = soup_of(dashboard, f"/valuation-runs/{run_id}")
    assert text_of(soup.h1) == f"Valuation {run_id}"
    state = soup.select_one("#run-state")
    assert (state["hx-get"], state["hx-trigger"]) == (f"/valuation-runs/{run_id}/state", "every 2s")
    assert "second@host, attempt 2" in text_of(state)
    assert "no sign of life" in text_of(state.select_one("details ol"))
    log = soup.select_one("#run-log")
    assert (log["role"], log["tabindex"]) == ("log", "0")
    assert said(log) == ["epoch 1 of 300", "warning a row is <b>odd</b>"]
    assert log.select_one(".earlier") is None
    assert text_of(log.select_one(".who")) == "worker 2"
    newer = log.select_one(".newer")
    assert newer["hx-trigger"] == "every 1s"
    say(store, run_id, "epoch 2 of 300")
    part = soup_of(dashboard, newer["hx-get"])
    assert said(part) == ["epoch 2 of 300"]
    assert said(soup_of(dashboard, part.select_one(".newer")["hx-get"])) == []


def test_a_part_is_a_part_only(dashboard: TestClient, run_id: int) -> None:
    for rest in ("state", "log", "log/earlier?before=9"):
        assert soup_of(dashboard, f"/valuation-runs/{run_id}/{rest}").h1 is None


def test_earlier_lines_come_on_demand(dashboard: TestClient, store: Store, run_id: int) -> None:
    say(store, run_id, *(f"epoch {number}" for number in range(450)))
    soup = soup_of(dashboard, f"/valuation-runs/{run_id}")
    assert (said(soup)[0], said(soup)[-1]) == ("epoch 250", "epoch 449")
    part = soup_of(dashboard, soup.select_one(".earlier")["hx-get"])
    assert (said(part)[0], said(part)[-1], part.select_one(".newer")) == ("epoch 50", "epoch 249", None)
    first = soup_of(dashboard, part.select_one(".earlier")["hx-get"])
    assert (said(first)[0], said(first)[-1], first.select_one(".earlier")) == ("epoch 0", "epoch 49", None)


def test_much_that_is_new_comes_at_once_in_parts(dashboard: TestClient, store: Store, run_id: int) -> None:
    say(store, run_id, *(f"cycle {number}" for number in range(300)), speaker=LogSpeaker.SOLVER)
    part = soup_of(dashboard, f"/valuation-runs/{run_id}/log?after=0")
    assert (len(said(part)), part.select_one(".newer")["hx-trigger"]) == (200, "load")
    assert len(said(soup_of(dashboard, part.select_one(".newer")["hx-get"]))) == 100


def test_what_has_ended_asks_no_more(dashboard: TestClient, store: Store, run_id: int) -> None:
    with unit_of_work(store) as session:
        run = session.get_one(ValuationRun, run_id)
        run.status, run.finished_at = RunStatus.CANCELLED, database_time(session) - timedelta(minutes=1)
    soup = soup_of(dashboard, f"/valuation-runs/{run_id}")
    assert soup.main.select("[hx-trigger]") == []
    assert text_of(soup.select_one("#run-log")) == "Nothing is kept of what it said."
    assert soup.select_one(f'form[action="/valuation-runs/{run_id}/retry"]') is not None


def simulated(store: Store, rows: Rows, status: RunStatus) -> int:
    """A simulation of the first recommendation, waiting or in a worker's hands."""
    key = rows.recommendation_ids[0]
    with unit_of_work(store) as session:
        for wanted in (_S.APPROVED, _S.ORDERED, _S.RUNNING):
            acquisitions.change(session, key, wanted, actor="test")
        run = SimulationRun(
            campaign_id=rows.campaign_id, recommendation_id=key, configuration={"oracle": "command"}, seed=key,
            sample_ids=[1], data_hash="0" * 64, requested_by="test",
        )  # fmt: skip
        session.add(run)
        session.flush()
        if status is RunStatus.RUNNING:
            runs.claim(session, SimulationRun, run.id, worker="solver@host", lease_s=600)
        return run.id


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
def test_a_simulation_is_cancelled_behind_a_question_that_names_it(
    dashboard: TestClient, store: Store, rows: Rows, status: RunStatus
) -> None:
    run_id, key = simulated(store, rows, status), rows.recommendation_ids[0]
    url = f"/simulation-runs/{run_id}"
    soup = soup_of(dashboard, url)
    assert soup.select_one(f'hgroup a[href="/recommendations/{key}"]') is not None
    dialog = soup.select_one(f"#ask-simulation-runs-{run_id}")
    assert text_of(dialog.h2) == f"Cancel Simulation {run_id}?"
    assert f"recommendation {key} fails with it" in text_of(dialog)
    assert dialog.form["action"] == f"{url}/cancel"
    assert soup.select_one(f'button[data-opens="{dialog["id"]}"]') is not None
    assert f"Simulation {run_id} is being cancelled" in flash_after(dashboard, f"{url}/cancel")[2]
    with store() as session:
        run, row = session.get_one(SimulationRun, run_id), session.get_one(Recommendation, key)
        assert (run.cancel_requested, row.status) == (True, _S.FAILED)
        assert run.status is (RunStatus.RUNNING if status is RunStatus.RUNNING else RunStatus.CANCELLED)
    again = flash_after(dashboard, f"{url}/cancel")[2]
    assert ("has ended already" in again) is (status is RunStatus.QUEUED)
    found = soup_of(dashboard, f"/recommendations/{key}").select_one(f'a[href="{url}"]')
    assert text_of(found) == f"Run {run_id}"


@pytest.mark.parametrize("rest", ["", "/state", "/log", "/log/earlier?before=1"])
def test_a_run_that_is_not_there(dashboard: TestClient, rest: str) -> None:
    assert dashboard.get(f"/backtests/999{rest}").status_code == 404


def test_each_line_of_the_table_leads_to_its_run(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}/runs")
    (link,) = soup.select(f"#valuation-runs-{rows.run_id} .name a")
    assert text_of(soup_of(dashboard, link["href"]).h1) == text_of(link) == f"Valuation {rows.run_id}"
