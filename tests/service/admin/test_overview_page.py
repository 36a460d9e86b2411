"""The overview of a campaign that has a past: its facts are those of the API, and what waits comes first."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Campaign, CampaignRound, Recommendation, Schedule, Upload
from service.lifecycles import RecommendationStatus, RoundStep, RunStatus, ScheduleStatus, UploadStatus
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows
from tests.service.admin.story import RMSE, Story, add_backtest, tell
from tests.support import API


@pytest.fixture
def story(store: sessionmaker[Session]) -> Story:
    return tell(store)


def overview(dashboard: TestClient, campaign_id: int) -> BeautifulSoup:
    return soup_of(dashboard, f"/campaigns/{campaign_id}")


def tasks(soup: BeautifulSoup) -> list[str]:
    return [text_of(item) for item in soup.select(".tasks li")]


def data_of(soup: BeautifulSoup, chart: str) -> dict:
    return json.loads(soup.select_one(f"#{chart}-data").get_text())


def change(store: sessionmaker[Session], kind: type, key: int, **columns: object) -> None:
    with unit_of_work(store) as session:
        row = session.get_one(kind, key)
        for name, value in columns.items():
            setattr(row, name, value)


def test_error_against_money_is_that_of_the_api(dashboard: TestClient, story: Story) -> None:
    ledger = dashboard.get(f"{API}/campaigns/{story.campaign_id}/regret-ledger").json()
    data = data_of(overview(dashboard, story.campaign_id), "learning")
    (series,) = data["series"]
    assert series["name"] == "on the holdout (2)"
    told = [
        (float(point["acquisition_cost"]), point["rmse"], point["q95_error"])
        for point in ledger["error_curve"]
    ]
    assert [tuple(point[:3]) for point in series["points"]] == told
    assert [cost for cost, _, _ in told] == [0, 2_400_000, 4_800_000, 7_200_000]
    assert [rmse for _, rmse, _ in told] == pytest.approx([2.314, *RMSE[1:]])
    assert data["limit"] == 1.5
    assert len(data["table"]["rows"]) == 4


def test_errors_measured_on_something_else_are_a_curve_of_their_own(
    dashboard: TestClient, story: Story, store: sessionmaker[Session]
) -> None:
    from tests.service.ledger.rows import add_surrogate

    add_surrogate(store, story.campaign_id, 2.0, measured_on="out_of_fold", measured_samples=40)
    soup = overview(dashboard, story.campaign_id)
    assert [series["name"] for series in data_of(soup, "learning")["series"]] == [
        "on the holdout (2)",
        "out of fold",
    ]
    assert "an indication only" in text_of(soup.select_one("#learning-card figcaption"))


def test_the_round_is_a_row_of_steps(dashboard: TestClient, story: Story) -> None:
    card = overview(dashboard, story.campaign_id).select_one("#round-card")
    states = {text_of(step).removesuffix(" done"): step["class"][0] for step in card.select(".steps li")}
    assert states == {
        "freeze": "done", "value": "done", "rank": "done", "propose": "done", "decide": "current",
        "order": "ahead", "collect": "ahead", "close": "ahead",
    }  # fmt: skip
    assert "It waits for decisions about its proposals. Until" in text_of(card)
    assert text_of(card.select_one(".badge.proposed")) == "5 proposed"
    assert "Next by itself:" in text_of(card)
    assert "(every night)" in text_of(card)


def test_what_waits_comes_most_urgent_first(
    dashboard: TestClient, story: Story, store: sessionmaker[Session]
) -> None:
    add_backtest(store, story.campaign_id, RunStatus.FAILED)
    found = tasks(overview(dashboard, story.campaign_id))
    assert found[0] == "The newest backtest has failed: see why"
    assert found[1].startswith(f"Proposals of round {story.rows.round_id} expire in 29 hours")
    assert found[2:] == ["5 proposed tests wait for your decision", "1 suspicious test waits for your review"]


def test_late_results_uploads_and_thin_budgets_are_told(
    dashboard: TestClient, story: Story, store: sessionmaker[Session]
) -> None:
    first, second = story.rows.recommendation_ids[:2]
    long_ago = datetime.now(UTC) - timedelta(hours=1009)
    change(store, Recommendation, first, status=RecommendationStatus.ORDERED, changed_at=long_ago)
    change(store, Recommendation, second, status=RecommendationStatus.ORDERED, changed_at=datetime.now(UTC))
    change(store, Campaign, story.campaign_id, budget=8_000_000)
    with unit_of_work(store) as session:
        session.add(_upload(story.campaign_id, "a", UploadStatus.PARSED, report={}))
        session.add(_upload(story.campaign_id, "b", UploadStatus.FAILED, error_message="no channel"))
    found = tasks(overview(dashboard, story.campaign_id))
    assert "1 result is missing: past the source's lead time" in found
    assert (
        "The budget is nearly used up: 200,000 USD left" not in found
    )  # it is less than any candidate costs
    assert any(
        task.startswith("The stop rule says stop: 200,000 USD of the budget are left") for task in found
    )
    assert "1 upload waits to be looked at and accepted" in found
    assert "1 upload could not be read" in found


def _upload(campaign_id: int, name: str, status: UploadStatus, **columns: object) -> Upload:
    return Upload(
        campaign_id=campaign_id, filename=name, sha256=name * 64, size_bytes=1, request={}, status=status,
        label_definition="rolc/1", requested_by="tester", **columns,
    )  # fmt: skip


def test_a_budget_that_still_buys_something_is_nearly_used_up(
    dashboard: TestClient, story: Story, store: sessionmaker[Session]
) -> None:
    change(store, Campaign, story.campaign_id, budget=7_900_000)
    assert "The budget is nearly used up: 700,000 USD left" in tasks(overview(dashboard, story.campaign_id))


def test_advice_is_shown_with_interval_arms_gauge_and_rule(dashboard: TestClient, story: Story) -> None:
    soup = overview(dashboard, story.campaign_id)
    stop = dashboard.get(f"{API}/campaigns/{story.campaign_id}/stop-rule").json()
    arms = dashboard.get(f"{API}/campaigns/{story.campaign_id}/regret-ledger").json()["total_arms"]
    evidence = soup.select_one("[aria-labelledby=evidence]")
    assert "Better than random picks." in text_of(evidence)
    assert evidence.select_one("svg")["aria-label"].startswith(
        "RMSE −20 % against random picks (interval −29 %"
    )
    assert arms["sentence"] in text_of(soup.select_one("[aria-labelledby=arms]"))
    worth = text_of(soup.select_one("[aria-labelledby=gauge]"))
    assert stop["benefit"]["sentence"] in worth
    assert all(check["sentence"] in worth for check in stop["checks"])
    assert soup.select_one(".gauge circle") is not None


def test_without_data_the_gauge_says_so(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    from service.database.models import Surrogate

    with unit_of_work(store) as session:
        session.query(Surrogate).one().metrics = {"rmse": 2.0}
    card = overview(dashboard, rows.campaign_id).select_one("[aria-labelledby=gauge]")
    assert card.select_one(".gauge circle") is None
    assert "not enough data" in text_of(card)


def test_a_round_is_started_cancelled_and_closed_from_the_page(
    dashboard: TestClient, story: Story, store: sessionmaker[Session]
) -> None:
    soup = overview(dashboard, story.campaign_id)
    dialogs = {dialog["id"]: dialog.form["action"] for dialog in soup.select("dialog")}
    assert dialogs == {
        "close-round": f"/rounds/{story.round_id}/close", "cancel-round": f"/rounds/{story.round_id}/cancel",
    }  # fmt: skip
    address, kind, text = flash_after(dashboard, dialogs["cancel-round"])
    assert (address, kind) == (f"/campaigns/{story.campaign_id}#round-card", "ok")
    assert "what was approved stays approved" in text
    with store() as session:
        assert session.get_one(CampaignRound, story.round_id).step is RoundStep.CLOSE
    _, kind, text = flash_after(dashboard, dialogs["close-round"])
    told = f"Round {story.rows.round_id} is closed already: cancelled. See /api/v1/rounds/{story.round_id}."
    assert (kind, text) == ("error", told)
    change(store, CampaignRound, story.round_id, step=RoundStep.CLOSED, closed_at=datetime.now(UTC))
    soup = overview(dashboard, story.campaign_id)
    assert text_of(soup.select_one("#round-card .actions button")) == "Start a round"
    dialog = soup.select_one("dialog#start-round")
    assert "proposes a batch. Nothing is ordered before you approve it" in text_of(dialog)
    shown = {field["name"]: field.get("value") for field in dialog.select("input[type=number]")}
    assert shown == {"batch_size": "20", "budget": "", "cost_exponent": "0.5", "control_fraction": "0.1"}
    assert dialog.select_one("option[selected]")["value"] == "auto"
    assert re.search(r"all that is left, [\d,]+ USD", text_of(dialog))
    url = dialog.form["action"]
    _, kind, text = flash_after(dashboard, url, {"batch_size": "0"})
    assert (kind, "batch size" in text) == ("error", True)
    _, kind, text = flash_after(dashboard, url, {"strategy": "lcmd", "batch_size": "7", "budget": ""})
    assert kind == "ok"
    with store() as session:
        found = session.scalars(select(CampaignRound).order_by(CampaignRound.id.desc())).first()
        asked = found.configuration["acquisition"]
    assert (asked["strategy"], asked["batch_size"], asked["budget"]) == ("lcmd", 7, None)
    assert text_of(overview(dashboard, story.campaign_id).select_one(".steps .current")) == "freeze"
    _, kind, text = flash_after(dashboard, f"/campaigns/{story.campaign_id}/rounds")
    assert kind == "error"
    assert "is open: freeze" in text


def test_without_a_schedule_nothing_starts_by_itself(
    dashboard: TestClient, story: Story, store: sessionmaker[Session]
) -> None:
    with store() as session:
        key = session.query(Schedule).one().id
    change(store, Schedule, key, status=ScheduleStatus.PAUSED, next_due_at=None)
    card = overview(dashboard, story.campaign_id).select_one("#round-card")
    assert "No schedule starts the next round by itself." in text_of(card)
