"""Backtests over HTTP."""

from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.lifecycles import RunStatus
from tests.support import (
    API,
    add_backtest,
    add_samples,
    assert_problem,
    create_campaign,
    pointers,
    queued_messages,
    sample_documents,
)


def request_backtest(client: TestClient, campaign_id: int, **document: Any) -> httpx.Response:
    return client.post(f"{API}/campaigns/{campaign_id}/backtests", json=document)


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    key = create_campaign(client)
    add_samples(client, key, sample_documents(3, target=26.0))
    return key


def test_a_backtest_is_accepted_with_where_and_when_to_look(
    client: TestClient, campaign_id: int, broker_url: str
) -> None:
    response = request_backtest(client, campaign_id, seed=3, configuration={"strategies": ["bait"]})
    assert response.status_code == 202
    backtest = response.json()
    assert response.headers["location"] == f"{API}/backtests/{backtest['id']}"
    assert int(response.headers["retry-after"]) > 0
    assert (backtest["status"], backtest["seed"], backtest["evidence"]) == ("queued", 3, [])
    assert backtest["configuration"]["strategies"] == ["bait"]
    assert client.get(response.headers["location"]).json() == backtest
    assert queued_messages(broker_url, "gpu") == [("backtest.run", [backtest["id"]])]


def test_without_a_label_there_is_nothing_to_replay(client: TestClient, broker_url: str) -> None:
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, sample_documents(3))
    problem = assert_problem(request_backtest(client, campaign_id), 409, "conflict")
    assert "samples:bulk" in problem["hint"]
    assert queued_messages(broker_url, "gpu") == []


@pytest.mark.parametrize(
    ("configuration", "pointer"),
    [
        ({"strategies": []}, "/configuration/strategies"),
        ({"strategies": ["best"]}, "/configuration/strategies/0"),
        ({"strategies": ["auto"]}, "/configuration/strategies/0"),
        ({"strategies": ["random"]}, "/configuration/strategies/0"),
        ({"strategies": ["lcmd", "lcmd"]}, "/configuration"),
        ({"initial": 9}, "/configuration/initial"),
        ({"repeats": 4}, "/configuration/repeats"),
        ({"holdout_fraction": 1}, "/configuration/holdout_fraction"),
        ({"budget": "0"}, "/configuration/budget"),
        ({"label_precision": "some"}, "/configuration/label_precision"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(
    client: TestClient, campaign_id: int, configuration: dict[str, Any], pointer: str
) -> None:
    response = request_backtest(client, campaign_id, configuration=configuration)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == [pointer]


def test_an_unknown_strategy_is_answered_with_those_that_can_be_replayed(
    client: TestClient, campaign_id: int
) -> None:
    response = request_backtest(client, campaign_id, configuration={"strategies": ["best"]})
    (message,) = pointers(assert_problem(response, 422, "invalid_input")).values()
    assert "variance_reduction" in message
    assert "space_filling" in message
    assert "random" not in message


def test_a_report_is_read_with_the_evidence_for_each_strategy(client: TestClient, campaign_id: int) -> None:
    backtest_id = add_backtest(client.app.state.sessions, campaign_id)
    response = client.get(f"{API}/backtests/{backtest_id}")
    assert "retry-after" not in response.headers
    worse, same = response.json()["evidence"]
    assert (worse["strategy"], worse["verdict"]) == ("variance_reduction", "worse")
    assert same["interval"] == [-0.2, 0.1]
    assert same["backtest_id"] == backtest_id
    assert same["sentence"].startswith("Not better than random picks.")
    assert response.json()["metrics"]["verdict"] == "not_better"


def test_backtests_of_a_campaign_are_listed_in_pages(client: TestClient, campaign_id: int) -> None:
    sessions = client.app.state.sessions
    ids = [add_backtest(sessions, campaign_id) for _ in range(3)]
    add_backtest(sessions, create_campaign(client))
    url = f"{API}/campaigns/{campaign_id}/backtests"
    first = client.get(url, params={"limit": 2}).json()
    second = client.get(url, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None


def test_a_waiting_backtest_is_cancelled_once(client: TestClient, campaign_id: int) -> None:
    url = request_backtest(client, campaign_id).headers["location"]
    assert client.post(f"{url}:cancel").json()["status"] == "cancelled"
    assert_problem(client.post(f"{url}:cancel"), 409, "conflict")


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_only_a_succeeded_backtest_is_evidence(
    client: TestClient, campaign_id: int, status: RunStatus
) -> None:
    sessions = client.app.state.sessions
    counted = add_backtest(sessions, campaign_id)
    ended = add_backtest(sessions, campaign_id, status)
    assert client.get(f"{API}/backtests/{ended}").json()["evidence"] == []
    page = client.get(f"/campaigns/{campaign_id}").text
    assert "The strategy auto takes lcmd." in page
    assert counted < ended


def test_an_unknown_backtest_is_404(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/backtests/77"), 404, "not_found")
    assert_problem(client.post(f"{API}/backtests/77:cancel"), 404, "not_found")
