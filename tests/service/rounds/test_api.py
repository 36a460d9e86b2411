"""REST of rounds: one open at a time, read, cancelled, closed."""

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.models import ValuationRun
from service.lifecycles import RecommendationStatus, RoundStep, RunStatus
from service.rounds.progress import advance_open
from tests.service.rounds.stepping import batch, campaign_with_pool, propose, read, start, statuses, step_of
from tests.support import API, assert_problem, move, pointers

Sessions = sessionmaker[Session]
S = RecommendationStatus


def test_a_round_is_started_followed_and_listed(client: TestClient) -> None:
    campaign_id = campaign_with_pool(client)
    response = client.post(f"{API}/campaigns/{campaign_id}/rounds", json={"decide_within_hours": 3})
    round_ = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"{API}/rounds/{round_['id']}"
    assert (round_["step"], round_["number"], round_["recommendations"]) == ("freeze", 1, {})
    assert round_["configuration"]["decide_within_hours"] == 3
    assert client.get(response.headers["location"]).json() == round_
    assert client.get(f"{API}/campaigns/{campaign_id}/rounds").json() == {
        "items": [round_],
        "next_cursor": None,
    }


def test_a_campaign_has_one_open_round(client: TestClient) -> None:
    campaign_id = campaign_with_pool(client)
    first = start(client, campaign_id)
    response = client.post(f"{API}/campaigns/{campaign_id}/rounds", json={})
    problem = assert_problem(response, 409, "conflict")
    assert f"/api/v1/rounds/{first}" in problem["hint"]
    start(client, campaign_with_pool(client))


def test_an_unknown_source_is_refused_with_what_there_is(client: TestClient) -> None:
    campaign_id = campaign_with_pool(client)
    document = {"auto_approve": {"sources": ["sled"]}}
    response = client.post(f"{API}/campaigns/{campaign_id}/rounds", json=document)
    found = pointers(assert_problem(response, 422, "invalid_input"))
    assert found == {"/auto_approve/sources/0": "unknown source 'sled': use one of full_vehicle, simulation"}


@pytest.mark.parametrize(
    "document",
    [
        {"decide_within_hours": -1},
        {"collect_within_hours": 1e9},
        {"auto_approve": {"budget": "-1"}},
        {"most_rounds": 0},
        {"stop_at_rmse": 0},
        {"auto_aprove": {}},
        {"seed": -1},
    ],
)
def test_an_impossible_configuration_is_refused(client: TestClient, document: dict[str, object]) -> None:
    response = client.post(f"{API}/campaigns/{campaign_with_pool(client)}/rounds", json=document)
    assert_problem(response, 422, "invalid_input")


def test_counts_of_recommendations_are_shown(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client))
    propose(client, sessions, round_id)
    move(client, batch(sessions, round_id)[0].id, "approve")
    assert client.get(f"{API}/rounds/{round_id}").json()["recommendations"] == {"approved": 1, "proposed": 2}


def test_cancelling_stops_the_computation(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client), continue_until_stop=True)
    advance_open(sessions)
    cancelled = client.post(f"{API}/rounds/{round_id}:cancel").json()
    assert (cancelled["step"], cancelled["closed_reason"]) == ("close", "cancelled")
    with sessions() as session:
        run = session.get_one(ValuationRun, cancelled["valuation_run_id"])
        assert run.status is RunStatus.CANCELLED
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.CLOSED
    assert read(sessions, round_id).stop_reason.startswith("The round ended as cancelled")
    assert_problem(client.post(f"{API}/rounds/{round_id}:cancel"), 409, "conflict")


def test_cancelling_expires_proposals_and_leaves_what_is_approved(
    client: TestClient, sessions: Sessions
) -> None:
    round_id = start(client, campaign_with_pool(client))
    propose(client, sessions, round_id)
    move(client, batch(sessions, round_id)[0].id, "approve")
    assert client.post(f"{API}/rounds/{round_id}:cancel").status_code == 200
    assert statuses(sessions, round_id) == [S.APPROVED, S.EXPIRED, S.EXPIRED]


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ([], "nothing_approved"),
        (["approve"], "partial"),
        (["approve", "order", "complete"], "completed"),
    ],
)
def test_closing_waits_no_longer(
    client: TestClient, sessions: Sessions, actions: list[str], reason: str
) -> None:
    round_id = start(client, campaign_with_pool(client))
    propose(client, sessions, round_id)
    move(client, batch(sessions, round_id)[0].id, *actions)
    assert client.post(f"{API}/rounds/{round_id}:close").json()["closed_reason"] == reason
    advance_open(sessions)
    closed = client.get(f"{API}/rounds/{round_id}").json()
    assert (closed["step"], closed["closed_reason"]) == ("closed", reason)
    assert statuses(sessions, round_id)[1:] == [S.EXPIRED] * 2


def test_a_round_that_computes_cannot_be_closed(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client))
    problem = assert_problem(client.post(f"{API}/rounds/{round_id}:close"), 409, "conflict")
    assert "cancel it" in problem["hint"]


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", ":cancel"), ("post", ":close")])
def test_an_unknown_round_is_not_found(client: TestClient, method: str, path: str) -> None:
    assert_problem(getattr(client, method)(f"{API}/rounds/77{path}"), 404, "not_found")
