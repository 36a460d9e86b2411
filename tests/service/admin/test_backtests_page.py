"""Backtests: started, followed, read and cancelled from the pages."""

import json

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Backtest
from service.lifecycles import RunStatus
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows, add_campaign, new_campaign
from tests.service.admin.story import add_backtest, report
from tests.support import API, queued_messages


def url_of(rows: Rows, backtest_id: int | None = None) -> str:
    base = f"/campaigns/{rows.campaign_id}/backtests"
    return base if backtest_id is None else f"{base}/{backtest_id}"


def test_list_tells_verdicts_progress_and_failures(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    for status in (RunStatus.SUCCEEDED, RunStatus.RUNNING, RunStatus.FAILED):
        add_backtest(store, rows.campaign_id, status)
    lines = [text_of(row) for row in soup_of(dashboard, url_of(rows)).select("tbody tr")]
    assert "failed The worker was lost 3 times." in lines[0]
    assert "running 42 %" in lines[1]
    assert "succeeded better variance reduction" in lines[2]


def test_list_is_asked_for_again_while_any_runs(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    key = add_backtest(store, rows.campaign_id, RunStatus.RUNNING)
    add_backtest(store, rows.campaign_id, RunStatus.FAILED)
    assert soup_of(dashboard, url_of(rows)).select_one("#backtest-list").has_attr("hx-get")
    with unit_of_work(store) as session:
        session.get_one(Backtest, key).status = RunStatus.CANCELLED
    assert not soup_of(dashboard, url_of(rows)).select_one("#backtest-list").has_attr("hx-get")


def test_empty_list_says_what_to_do(dashboard: TestClient, rows: Rows) -> None:
    soup = soup_of(dashboard, url_of(rows))
    assert "Start one below" in text_of(soup.select_one(".empty"))
    assert "4 labelled samples can be replayed" in text_of(soup.form)


def test_without_labels_none_can_start(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    with unit_of_work(store) as session:
        campaign = new_campaign()
        session.add(campaign)
    soup = soup_of(dashboard, f"/campaigns/{campaign.id}/backtests")
    assert soup.select_one("form.request > button").has_attr("disabled")
    _, kind, text = flash_after(dashboard, f"/campaigns/{campaign.id}/backtests", {"strategies": "lcmd"})
    assert kind == "error"
    assert "no labelled sample" in text


def test_form_has_the_limits_and_defaults_of_the_api(dashboard: TestClient, rows: Rows) -> None:
    form = soup_of(dashboard, url_of(rows)).select_one("form.request")
    ticked = [box["value"] for box in form.select("input[name=strategies][checked]")]
    assert ticked == ["variance_reduction", "lcmd"]
    assert len(form.select("input[name=strategies]")) == 9
    initial = form.select_one("input[name=initial]")
    assert (initial["value"], initial["min"], initial["max"]) == ("50", "10", "10000")
    assert [option["value"] for option in form.select("select[name=as_bought] option")] == ["yes", "no"]


def test_start_from_the_page(dashboard: TestClient, rows: Rows, broker_url: str) -> None:
    form = {"strategies": ["bait", "lcmd"], "initial": "12", "as_bought": "no", "budget": "", "seed": "7"}
    address, kind, text = flash_after(dashboard, url_of(rows), form)
    assert (address, kind) == (url_of(rows), "ok")
    (backtest,) = dashboard.get(f"{API}{url_of(rows)}").json()["items"]
    configuration = backtest["configuration"]
    assert text == f"Backtest {backtest['id']} is queued."
    assert (configuration["strategies"], configuration["initial"]) == (["bait", "lcmd"], 12)
    assert (configuration["as_bought"], configuration["budget"], backtest["seed"]) == (False, None, 7)
    assert queued_messages(broker_url, "gpu") == [("backtest.run", [backtest["id"]])]


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "strategies: is missing: fill it in"),
        ({"strategies": "best"}, "strategies row 1: must be one of"),
        ({"strategies": "lcmd", "repeats": "4"}, "repeats: must be at least 5"),
        ({"strategies": "lcmd", "initial": "x" * 100_000}, "is no whole number"),
    ],
)
def test_bad_settings_are_told_and_nothing_is_queued(
    dashboard: TestClient, rows: Rows, broker_url: str, form: dict[str, str], told: str
) -> None:
    _, kind, text = flash_after(dashboard, url_of(rows), form)
    assert kind == "error"
    assert told in text
    assert queued_messages(broker_url, "gpu") == []


def test_report_shows_verdicts_intervals_and_savings(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    key = add_backtest(store, rows.campaign_id)
    soup = soup_of(dashboard, url_of(rows, key))
    told = dashboard.get(f"{API}/backtests/{key}").json()
    lines = soup.select(".strategies tbody tr:not(.detail)")
    sentences = soup.select(".strategies tbody .sentence")
    assert [text_of(line.select_one(".badge")) for line in lines] == ["better", "not better", "not better"]
    assert [text_of(sentence) for sentence in sentences] == [one["sentence"] for one in told["evidence"]]
    assert lines[0].svg["aria-label"] == "RMSE −20 % against random picks (interval −29 % to −10 %)"
    assert "18 36 % (20 % to 50 %)" in text_of(lines[0])
    assert "5,400,000 USD" in text_of(lines[0])
    assert "−600,000 USD" in text_of(lines[1])
    chart = json.loads(soup.select_one("#backtest-data").get_text())
    assert [one["name"] for one in chart["series"]] == [
        "random picks",
        "variance reduction",
        "lcmd",
        "as bought",
    ]
    curve = told["metrics"]["random_curve"]
    names = ("labels", "acquisition_cost", "rmse", "rmse_low", "rmse_high")
    assert chart["series"][0]["points"] == [[point[name] for name in names] for point in curve]
    assert len(chart["table"]["rows"]) == 24


def test_a_report_from_before_there_were_bands_is_shown_without(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    plain = [{"labels": 10.0, "acquisition_cost": 1.0, "rmse": 3.0}]
    key = add_backtest(store, rows.campaign_id, metrics=report(random_curve=plain))
    chart = json.loads(soup_of(dashboard, url_of(rows, key)).select_one("#backtest-data").get_text())
    assert chart["series"][0]["points"] == [[10.0, 1.0, 3.0, None, None]]


def test_too_few_data_are_told_with_what_is_needed(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    empty = report(
        strategies=[], random_curve=[], verdict="not_enough_data", reason="60 labels are needed.", auto={}
    )
    key = add_backtest(store, rows.campaign_id, metrics=empty)
    soup = soup_of(dashboard, url_of(rows, key))
    assert "not enough data" in text_of(soup.select_one(".evidence"))
    assert "60 labels are needed." in text_of(soup.main)
    assert soup.select_one("[data-chart]") is None


def test_progress_is_asked_for_again_until_the_end(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    key = add_backtest(store, rows.campaign_id, RunStatus.RUNNING)
    part = soup_of(dashboard, url_of(rows, key)).select_one("#progress")
    assert "42 % · epoch 210" in text_of(part)
    running = dashboard.get(part["hx-get"])
    assert "hx-refresh" not in running.headers
    with unit_of_work(store) as session:
        session.get_one(Backtest, key).status = RunStatus.CANCELLED
    ended = dashboard.get(part["hx-get"])
    assert ended.headers["hx-refresh"] == "true"
    assert "hx-get" not in ended.text


def test_cancel_is_confirmed_by_name(dashboard: TestClient, rows: Rows, store: sessionmaker[Session]) -> None:
    key = add_backtest(store, rows.campaign_id, RunStatus.RUNNING)
    dialog = soup_of(dashboard, url_of(rows, key)).dialog
    assert text_of(dialog.h2) == f"Cancel backtest {key}?"
    address, kind, _ = flash_after(dashboard, dialog.form["action"])
    assert (address, kind) == (url_of(rows, key), "ok")
    soup = soup_of(dashboard, url_of(rows, key))
    assert "It is being cancelled" in text_of(soup.main)
    assert soup.dialog is None


def test_of_another_campaign_there_is_none(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    other = add_campaign(store)
    key = add_backtest(store, other.campaign_id)
    assert soup_of(dashboard, url_of(rows, key), status=404)
