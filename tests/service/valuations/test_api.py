"""Valuation runs, data values and surrogates over HTTP."""

from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.lifecycles import RunStatus
from tests.support import (
    API,
    FinishedValuation,
    add_finished_valuation,
    add_run,
    add_samples,
    assert_problem,
    create_campaign,
    pointers,
    queued_messages,
    sample_document,
    sample_documents,
)

ENDED = [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED]


def request_run(client: TestClient, campaign_id: int, **document: Any) -> httpx.Response:
    return client.post(f"{API}/campaigns/{campaign_id}/valuation-runs", json=document)


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    """Ten labelled samples, as few as a run accepts."""
    key = create_campaign(client)
    add_samples(client, key, sample_documents(10, target=26.0))
    return key


@pytest.fixture
def valuation(client: TestClient, campaign_id: int) -> FinishedValuation:
    return add_finished_valuation(client.app.state.sessions, campaign_id)


def test_a_run_is_accepted_with_where_and_when_to_look(client: TestClient, campaign_id: int) -> None:
    response = request_run(client, campaign_id, seed=7)
    assert response.status_code == 202
    run = response.json()
    assert response.headers["location"] == f"{API}/valuation-runs/{run['id']}"
    assert int(response.headers["retry-after"]) > 0
    assert (run["status"], run["seed"], run["requested_by"]) == ("queued", 7, "local")
    followed = client.get(response.headers["location"])
    assert followed.json() == run
    assert int(followed.headers["retry-after"]) > 0


def test_an_ended_run_asks_nobody_to_come_back(client: TestClient, valuation: FinishedValuation) -> None:
    assert "retry-after" not in client.get(f"{API}/valuation-runs/{valuation.run_id}").headers


def test_the_message_waits_on_the_queue_of_the_trainers(
    client: TestClient, campaign_id: int, broker_url: str
) -> None:
    run = request_run(client, campaign_id).json()
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [run["id"]])]
    assert queued_messages(broker_url, "cpu") == queued_messages(broker_url, "io") == []


def test_a_refused_run_leaves_no_message_and_no_row(client: TestClient, broker_url: str) -> None:
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, sample_documents(9, target=26.0))
    problem = assert_problem(request_run(client, campaign_id), 409, "conflict")
    assert "9 labelled samples" in problem["detail"]
    assert "needs 10" in problem["detail"]
    assert queued_messages(broker_url, "gpu") == []
    assert client.get(f"{API}/campaigns/{campaign_id}/valuation-runs").json()["items"] == []


def test_candidates_and_holdout_do_not_count_as_training_data(client: TestClient) -> None:
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, sample_documents(20, split="holdout", target=26.0))
    add_samples(client, campaign_id, sample_documents(20))
    assert "0 labelled" in assert_problem(request_run(client, campaign_id), 409, "conflict")["detail"]


def test_something_must_stand_for_the_target_domain(client: TestClient) -> None:
    campaign_id = create_campaign(client, target_domain={})
    add_samples(client, campaign_id, sample_documents(10, target=26.0))
    problem = assert_problem(request_run(client, campaign_id), 409, "conflict")
    assert "target domain" in problem["detail"]
    add_samples(client, campaign_id, [sample_document(split="validation")])
    assert request_run(client, campaign_id).status_code == 202


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"seed": -1}, "/seed"),
        ({"configuration": {"epochs": 1}}, "/configuration/epochs"),
        ({"configuration": {"epoch": 100}}, "/configuration/epoch"),
        ({"configuration": {"ensemble": 10**30}}, "/configuration/ensemble"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(
    client: TestClient, campaign_id: int, document: dict[str, Any], pointer: str
) -> None:
    found = pointers(assert_problem(request_run(client, campaign_id, **document), 422, "invalid_input"))
    assert list(found) == [pointer]


def test_a_waiting_run_is_cancelled_at_once(client: TestClient, campaign_id: int) -> None:
    url = request_run(client, campaign_id).headers["location"]
    cancelled = client.post(f"{url}:cancel")
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["finished_at"] is not None


def test_a_running_run_is_asked_to_stop(client: TestClient, campaign_id: int) -> None:
    run_id = add_run(client.app.state.sessions, campaign_id, RunStatus.RUNNING)
    assert client.post(f"{API}/valuation-runs/{run_id}:cancel").json()["status"] == "running"


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_run_cannot_be_cancelled(client: TestClient, campaign_id: int, status: RunStatus) -> None:
    run_id = add_run(client.app.state.sessions, campaign_id, status)
    problem = assert_problem(client.post(f"{API}/valuation-runs/{run_id}:cancel"), 409, "conflict")
    assert problem["detail"] == f"The run has ended already: {status}."


def test_a_failed_run_tells_its_reason(client: TestClient, campaign_id: int) -> None:
    run_id = add_run(client.app.state.sessions, campaign_id, RunStatus.FAILED, error_message="no memory")
    assert client.get(f"{API}/valuation-runs/{run_id}").json()["error_message"] == "no memory"


@pytest.mark.parametrize("path", ["", "/data-values"])
def test_an_unknown_run_is_404(client: TestClient, path: str) -> None:
    assert_problem(client.get(f"{API}/valuation-runs/77{path}"), 404, "not_found")


def test_an_unknown_run_cannot_be_cancelled(client: TestClient) -> None:
    assert_problem(client.post(f"{API}/valuation-runs/77:cancel"), 404, "not_found")


def test_runs_of_a_campaign_are_listed_in_pages(client: TestClient, campaign_id: int) -> None:
    ids = [request_run(client, campaign_id).json()["id"] for _ in range(3)]
    url = f"{API}/campaigns/{campaign_id}/valuation-runs"
    first = client.get(url, params={"limit": 2}).json()
    second = client.get(url, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [run["id"] for run in first["items"] + second["items"]] == ids


@pytest.mark.parametrize(("order", "step"), [("most_valuable", 1), ("least_valuable", -1)])
def test_data_values_come_in_pages_by_rank(
    client: TestClient, valuation: FinishedValuation, order: str, step: int
) -> None:
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        url = f"{API}/valuation-runs/{valuation.run_id}/data-values"
        answer = client.get(url, params={"order": order, "limit": 4, "cursor": cursor}).json()
        seen, cursor = seen + answer["items"], answer["next_cursor"]
    assert [row["rank"] for row in seen] == list(range(1, 11))[::step]
    assert [row["sample_id"] for row in seen] == valuation.sample_ids[::step]
    assert seen[0]["value"] * step > seen[-1]["value"] * step


def test_a_surrogate_is_listed_read_and_downloaded(
    client: TestClient, campaign_id: int, valuation: FinishedValuation
) -> None:
    read = client.get(f"{API}/surrogates/{valuation.surrogate_id}").json()
    assert (read["valuation_run_id"], read["metrics"]) == (valuation.run_id, {"rmse": 2.0})
    assert client.get(f"{API}/campaigns/{campaign_id}/surrogates").json()["items"] == [read]
    download = client.get(f"{API}/surrogates/{valuation.surrogate_id}/artefact")
    assert download.content == b"weights"
    assert "attachment" in download.headers["content-disposition"]


@pytest.mark.parametrize("path", ["", "/artefact"])
def test_an_unknown_surrogate_is_404(client: TestClient, path: str) -> None:
    assert_problem(client.get(f"{API}/surrogates/77{path}"), 404, "not_found")
