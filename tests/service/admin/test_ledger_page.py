"""The ledger page says what the API's ledger says."""

import json

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.admin.formats import number
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows
from tests.service.admin.story import Story, tell
from tests.service.ledger.rows import Pick, add_round
from tests.support import API


@pytest.fixture
def story(store: sessionmaker[Session]) -> Story:
    return tell(store)


def cells(row: object) -> list[str]:
    return [text_of(cell) for cell in row.select("td")]


def test_rounds_are_those_of_the_api_newest_first(dashboard: TestClient, story: Story) -> None:
    ledger = dashboard.get(f"{API}/campaigns/{story.campaign_id}/regret-ledger").json()
    soup = soup_of(dashboard, f"/campaigns/{story.campaign_id}/ledger")
    rows = soup.select("#ledger tbody tr")
    entries = list(reversed(ledger["rounds"]))
    assert [row["id"] for row in rows] == [f"round-{entry['round_id']}" for entry in entries]
    for row, entry in zip(rows, entries, strict=True):
        shown = cells(row)
        wanted = [
            entry["predicted"]["gain"],
            entry["realised"]["gain"],
            entry["regret"],
            entry["calibration"],
        ]
        assert shown[5:9] == [number(value) for value in wanted]
        assert shown[1] == f"{entry['balance']['results']} of {entry['balance']['proposed']}"
    assert [text_of(row.select_one(".badge")) for row in rows] == [
        "less than promised", "less than promised", "kept its promise", "not known yet",
    ]  # fmt: skip
    assert cells(rows[0])[2:4] == ["2,400,000", "7,200,000"]
    figures = {text_of(div.dt): text_of(div.dd) for div in soup.select(".figures .tile")}
    assert figures == {"Rounds": "4", "Results": "24", "Spent": "7,200,000 USD", "Gain so far": "0.62 g"}


def test_chart_has_the_same_numbers_and_a_table(dashboard: TestClient, story: Story) -> None:
    ledger = dashboard.get(f"{API}/campaigns/{story.campaign_id}/regret-ledger").json()
    soup = soup_of(dashboard, f"/campaigns/{story.campaign_id}/ledger")
    data = json.loads(soup.select_one("#ledger-chart-data").get_text())
    wanted = [[entry["predicted"]["gain"], entry["realised"]["gain"]] for entry in ledger["rounds"]]
    assert [row[1:3] for row in data["rows"]] == wanted
    assert data["table"]["rows"] == data["rows"]
    assert soup.select_one("#ledger-chart")["aria-label"]


def test_a_long_ledger_is_paged_and_its_chart_says_how_much_it_shows(
    dashboard: TestClient, rows: Rows, store: sessionmaker[Session]
) -> None:
    for _ in range(41):
        add_round(store, rows.campaign_id, 1, [Pick(26.0)])
    soup = soup_of(dashboard, f"/campaigns/{rows.campaign_id}/ledger?page=2")
    assert len(soup.select("#ledger tbody tr")) == 17
    assert "The newest 40 of 42 rounds." in text_of(soup.figcaption)
    assert len(json.loads(soup.select_one("#ledger-chart-data").get_text())["rows"]) == 40


def test_the_stop_rule_is_set_and_taken_away(dashboard: TestClient, story: Story) -> None:
    url = f"/campaigns/{story.campaign_id}/stop-rule"
    address, kind, _ = flash_after(dashboard, url, {"target_error": "1.8", "value_per_unit": ""})
    assert (address, kind) == (f"/campaigns/{story.campaign_id}/ledger#stop", "ok")
    stop = dashboard.get(f"{API}{url}").json()
    assert (stop["state"], stop["rule"]) == ("stop", {"target_error": 1.8, "value_per_unit": None})
    soup = soup_of(dashboard, f"/campaigns/{story.campaign_id}/ledger")
    assert soup.select_one("input[name=target_error]")["value"] == "1.8"
    assert soup.select_one("input[name=value_per_unit]")["value"] == ""
    assert "The stop rule is met." in text_of(soup.select_one("[aria-labelledby=stop]"))


def test_a_senseless_stop_rule_is_told_and_the_old_one_stays(dashboard: TestClient, story: Story) -> None:
    url = f"/campaigns/{story.campaign_id}/stop-rule"
    _, kind, text = flash_after(dashboard, url, {"target_error": "-1"})
    assert kind == "error"
    assert "target error: must be above 0" in text
    assert dashboard.get(f"{API}{url}").json()["rule"]["target_error"] == 1.5
