"""Acquisition rounds over HTTP."""

from typing import Any

import httpx
import pytest
from sqlalchemy import inspect
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import repository
from service.database.engine import unit_of_work
from service.vocabulary import Strategy
from tests.support import (
    API,
    Proposal,
    act,
    add_backtest,
    add_finished_valuation,
    add_samples,
    assert_problem,
    create_campaign,
    pointers,
    propose,
    queued_messages,
    sample_documents,
)


def request_round(client: TestClient, campaign_id: int, **document: Any) -> httpx.Response:
    return client.post(f"{API}/campaigns/{campaign_id}/acquisition-rounds", json=document)


@pytest.fixture
def proposal(client: TestClient) -> Proposal:
    return propose(client, budget="700000")


def test_a_round_is_accepted_with_where_and_when_to_look(
    client: TestClient, proposal: Proposal, broker_url: str
) -> None:
    response = request_round(client, proposal.campaign_id, seed=3)
    assert response.status_code == 202
    round_ = response.json()
    assert response.headers["location"] == f"{API}/acquisition-rounds/{round_['id']}"
    assert int(response.headers["retry-after"]) > 0
    assert (round_["status"], round_["surrogate_id"]) == ("queued", proposal.surrogate_id)
    assert round_["evidence"] == "not_enough_data"
    assert client.get(response.headers["location"]).json() == round_
    assert queued_messages(broker_url, "gpu") == [("acquisition.rank", [round_["id"]])]


def test_without_a_surrogate_there_is_no_round(client: TestClient, broker_url: str) -> None:
    campaign_id = create_campaign(client)
    problem = assert_problem(request_round(client, campaign_id), 409, "conflict")
    assert "valuation-runs" in problem["hint"]
    assert queued_messages(broker_url, "gpu") == []


def test_the_newest_surrogate_is_taken_unless_one_is_named(client: TestClient, proposal: Proposal) -> None:
    newest = add_finished_valuation(client.app.state.sessions, proposal.campaign_id).surrogate_id
    assert request_round(client, proposal.campaign_id).json()["surrogate_id"] == newest
    named = request_round(client, proposal.campaign_id, surrogate_id=proposal.surrogate_id)
    assert named.json()["surrogate_id"] == proposal.surrogate_id


def test_the_surrogate_of_another_campaign_is_not_found(client: TestClient, proposal: Proposal) -> None:
    other = create_campaign(client)
    response = request_round(client, other, surrogate_id=proposal.surrogate_id)
    assert_problem(response, 404, "not_found")


@pytest.mark.parametrize(
    ("configuration", "pointer"),
    [
        ({"source_budgets": {"sled": "1"}}, "/configuration/source_budgets/sled"),
        ({"source_quotas": {"sled": {"most": 1}}}, "/configuration/source_quotas/sled"),
        (
            {"source_quotas": {"simulation": {"least": 2, "most": 1}}},
            "/configuration/source_quotas/simulation",
        ),
        ({"source_quotas": {"simulation": {"least": 21}}}, "/configuration"),
        ({"max_per_group": 0}, "/configuration/max_per_group"),
        ({"max_per_group": 1, "group_feature": "colour"}, "/configuration/group_feature"),
        ({"group_feature": "barrier"}, "/configuration"),
        ({"relevance_strength": 1}, "/configuration/relevance_strength"),
        ({"longest_lead_time_hours": 0}, "/configuration/longest_lead_time_hours"),
        ({"vetoed_sample_ids": [1, 4711]}, "/configuration/vetoed_sample_ids/1"),
        ({"injected_sample_ids": [4711]}, "/configuration/injected_sample_ids/0"),
        ({"injected_sample_ids": [1]}, "/configuration/injected_sample_ids/0"),
        ({"injected_sample_ids": [1], "vetoed_sample_ids": [1]}, "/configuration"),
        ({"injected_sample_ids": [1, 2], "batch_size": 1}, "/configuration"),
        ({"batch_size": 0}, "/configuration/batch_size"),
        ({"strategy": "best"}, "/configuration/strategy"),
        ({"budget": "-1"}, "/configuration/budget"),
        ({"control_fraction": 0.9}, "/configuration/control_fraction"),
        ({"batchsize": 5}, "/configuration/batchsize"),
        ({"stored_rows": -1}, "/configuration/stored_rows"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(
    client: TestClient, proposal: Proposal, configuration: dict[str, Any], pointer: str
) -> None:
    response = request_round(client, proposal.campaign_id, configuration=configuration)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == [pointer]


@pytest.mark.parametrize(("wanted", "granted"), [(None, 400_000), ("1000", 1000), ("900000", 400_000)])
def test_a_round_gets_what_it_asks_for_and_never_more_than_is_left(
    client: TestClient, proposal: Proposal, wanted: str | None, granted: int
) -> None:
    act(client, proposal.recommendation_ids[0], "approve")
    round_ = request_round(client, proposal.campaign_id, configuration={"budget": wanted}).json()
    assert float(round_["configuration"]["budget"]) == granted


def test_with_the_budget_used_up_there_is_no_round(client: TestClient) -> None:
    proposal = propose(client, budget="300000")
    act(client, proposal.recommendation_ids[0], "approve")
    problem = assert_problem(request_round(client, proposal.campaign_id), 409, "conflict")
    assert problem["detail"] == "The budget of 300,000.00 USD is used up."


def test_a_waiting_round_is_cancelled_once(client: TestClient, proposal: Proposal) -> None:
    url = request_round(client, proposal.campaign_id).headers["location"]
    assert client.post(f"{url}:cancel").json()["status"] == "cancelled"
    assert_problem(client.post(f"{url}:cancel"), 409, "conflict")


def test_rounds_of_a_campaign_are_listed(client: TestClient, proposal: Proposal) -> None:
    request_round(client, proposal.campaign_id)
    rounds = client.get(f"{API}/campaigns/{proposal.campaign_id}/acquisition-rounds").json()["items"]
    assert [round_["status"] for round_ in rounds] == ["succeeded", "queued"]


def store_ranking(client: TestClient, proposal: Proposal, sample_ids: list[int]) -> str:
    """Store the samples as the ranking of the proposal's round; the URL of the ranking."""
    sessions: sessionmaker[Session] = client.app.state.sessions
    with unit_of_work(sessions) as session:
        round_id = repository.get_recommendation(session, proposal.recommendation_ids[0]).round_id
        repository.copy_ranking(
            session,
            [
                (round_id, rank, key, 1 / rank, 0.5, 1.0, 26.0, 1.5, rank < 3, rank < 2)
                for rank, key in enumerate(sample_ids, 1)
            ],
        )
    return f"{API}/acquisition-rounds/{round_id}/ranking"


def test_a_ranking_is_paged_by_its_ranks(client: TestClient) -> None:
    documents = [sample | {"external_id": f"d{index}"} for index, sample in enumerate(sample_documents(5))]
    proposal = propose(client, documents)
    order = proposal.sample_ids[::-1]
    url = store_ranking(client, proposal, order)
    first = client.get(url, params={"limit": 2}).json()
    assert first["items"][0] == {
        "rank": 1, "sample_id": order[0], "external_id": "d4", "source": "full_vehicle", "score": 1.0,
        "information": 0.5, "relevance": 1.0, "predicted": 26.0, "predicted_std": 1.5, "eligible": True,
        "affordable": True,
    }  # fmt: skip
    pages, cursor = [first["items"]], first["next_cursor"]
    while cursor:
        page = client.get(url, params={"limit": 2, "cursor": cursor}).json()
        pages, cursor = [*pages, page["items"]], page["next_cursor"]
    assert [[line["sample_id"] for line in page] for page in pages] == [order[:2], order[2:4], order[4:]]
    assert [line["eligible"] for page in pages for line in page] == [True, True, False, False, False]


def test_a_round_that_kept_no_ranking_has_an_empty_one(client: TestClient, proposal: Proposal) -> None:
    url = store_ranking(client, proposal, [])
    assert client.get(url).json() == {"items": [], "next_cursor": None}
    assert_problem(client.get(url, params={"cursor": "no"}), 400, "invalid_cursor")


def test_a_round_is_read_without_the_ids_of_its_snapshot(client: TestClient, proposal: Proposal) -> None:
    """They are megabytes with a large pool, and every page would fetch them."""
    with client.app.state.sessions() as session:
        round_id = repository.get_recommendation(session, proposal.recommendation_ids[0]).round_id
        assert "sample_ids" in inspect(repository.get_round(session, round_id)).unloaded


@pytest.mark.parametrize("path", ["", "/recommendations", "/ranking"])
def test_an_unknown_round_is_404(client: TestClient, path: str) -> None:
    assert_problem(client.get(f"{API}/acquisition-rounds/77{path}"), 404, "not_found")


def test_an_unknown_round_cannot_be_cancelled(client: TestClient) -> None:
    assert_problem(client.post(f"{API}/acquisition-rounds/77:cancel"), 404, "not_found")


def test_an_unknown_strategy_is_answered_with_the_known_ones(client: TestClient, proposal: Proposal) -> None:
    response = request_round(client, proposal.campaign_id, configuration={"strategy": "best"})
    message = pointers(assert_problem(response, 422, "invalid_input"))["/configuration/strategy"]
    assert all(f"'{strategy}'" in message for strategy in Strategy)


def test_what_a_person_wants_in_or_out_of_the_batch_is_kept(client: TestClient, proposal: Proposal) -> None:
    free, unwanted = add_samples(client, proposal.campaign_id, sample_documents(2))
    wanted = {"injected_sample_ids": [free], "vetoed_sample_ids": [unwanted, proposal.sample_ids[0]]}
    round_ = request_round(client, proposal.campaign_id, configuration=wanted).json()
    assert {name: round_["configuration"][name] for name in wanted} == wanted


def test_a_labelled_or_foreign_sample_is_neither_injected_nor_vetoed(
    client: TestClient, proposal: Proposal
) -> None:
    (labelled,) = add_samples(client, proposal.campaign_id, sample_documents(1, target=26.0))
    (foreign,) = add_samples(client, create_campaign(client), sample_documents(1))
    wanted = {"injected_sample_ids": [labelled], "vetoed_sample_ids": [foreign]}
    response = request_round(client, proposal.campaign_id, configuration=wanted)
    assert pointers(assert_problem(response, 422, "invalid_input")) == {
        "/configuration/vetoed_sample_ids/0": f"sample {foreign} is no candidate of this campaign",
        "/configuration/injected_sample_ids/0": f"sample {labelled} is no candidate of this campaign",
    }


def test_a_round_freezes_the_newest_backtest_and_shows_the_newest_evidence(
    client: TestClient, proposal: Proposal
) -> None:
    before = request_round(client, proposal.campaign_id, configuration={"strategy": "lcmd"})
    assert "No backtest has run on its 0 labelled samples." in before.json()["evidence_sentence"]
    backtest_id = add_backtest(client.app.state.sessions, proposal.campaign_id)
    after = request_round(client, proposal.campaign_id, configuration={"strategy": "lcmd"}).json()
    assert after["backtest_id"] == backtest_id
    for round_ in (after, client.get(before.headers["location"]).json()):
        assert (round_["evidence"], round_["evidence_interval"]) == ("not_better", [-0.2, 0.1])
        assert "Not better than random picks" in round_["evidence_sentence"]
        assert "interval −18 % to +11 %" in round_["evidence_sentence"]
    assert client.get(before.headers["location"]).json()["backtest_id"] is None


@pytest.mark.parametrize(
    ("strategy", "verdict", "words"),
    [
        ("auto", "better", "lcmd is better"),
        ("variance_reduction", "worse", "Worse"),
        ("random", "not_better", "compared with"),
        ("bait", "not_enough_data", "did not replay it"),
    ],
)
def test_evidence_is_that_of_the_strategy(
    client: TestClient, proposal: Proposal, strategy: str, verdict: str, words: str
) -> None:
    add_backtest(client.app.state.sessions, proposal.campaign_id, auto="lcmd is better")
    round_ = request_round(client, proposal.campaign_id, configuration={"strategy": strategy}).json()
    assert round_["evidence"] == verdict
    assert words in round_["evidence_sentence"]
