"""The life of recommendations over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from service.acquisitions import repository, service, simulations
from service.database.engine import unit_of_work
from service.database.models import AuditEvent, RecommendationChange, SimulationRun
from service.lifecycles import RecommendationStatus
from service.runs import repository as runs_repository
from tests.support import (
    API,
    SOURCES,
    Proposal,
    act,
    add_round,
    assert_problem,
    move,
    pointers,
    propose,
    queued_messages,
    sample_documents,
    status_of,
)

# How to bring a proposed recommendation to each status that the API can reach.
WAYS = {
    "proposed": [],
    "approved": ["approve"],
    "ordered": ["approve", "order"],
    "running": ["approve", "order", "start"],
    "completed": ["approve", "order", "complete"],
    "failed": ["approve", "order", "fail"],
    "abandoned": ["approve", "abandon"],
}
STATUS_AFTER = {
    "approve": "approved",
    "order": "ordered",
    "start": "running",
    "complete": "completed",
    "fail": "failed",
    "abandon": "abandoned",
    "reject": "rejected",
}
BODIES = {"complete": {"target": 26.0}, "reject": {"reason": "the car is gone"}}


@pytest.fixture
def proposal(client: TestClient) -> Proposal:
    return propose(client)


@pytest.fixture
def key(proposal: Proposal) -> int:
    """The first recommendation."""
    return proposal.recommendation_ids[0]


def read(client: TestClient, key: int) -> dict[str, Any]:
    response = client.get(f"{API}/recommendations/{key}")
    assert response.status_code == 200, response.text
    return response.json()


def sample(client: TestClient, sample_id: int) -> dict[str, Any]:
    return client.get(f"{API}/samples/{sample_id}").json()


def audit_actions(client: TestClient, entity: str) -> list[str]:
    with client.app.state.sessions() as session:
        found = select(AuditEvent.action).where(AuditEvent.entity == entity).order_by(AuditEvent.id)
        return list(session.scalars(found))


def test_from_proposal_to_result(client: TestClient, proposal: Proposal, key: int) -> None:
    assert read(client, key)["allowed"] == ["approved", "expired", "rejected"]
    move(client, key, "approve", "order", "start")
    done = act(client, key, "complete", target=26.4, executed_features={"impact_speed_kmh": 57.1}).json()
    assert (done["status"], done["allowed"], done["is_late"]) == ("completed", [], False)
    labelled = sample(client, proposal.sample_ids[0])
    assert (labelled["status"], labelled["target"]) == ("labelled", 26.4)
    assert labelled["label_definition"] == "rolc/1"
    assert labelled["executed_features"] == {
        "impact_speed_kmh": 57.1, "test_mass_kg": 1000.0, "barrier": "rigid",
    }  # fmt: skip
    assert labelled["planned_features"]["impact_speed_kmh"] == 56.0


def test_every_step_stays_in_the_history(client: TestClient, key: int) -> None:
    act(client, key, "approve", reason="cheap and far")
    move(client, key, "order", "complete")
    history = read(client, key)["history"]
    assert [(step["from_status"], step["to_status"]) for step in history] == [
        (None, "proposed"),
        ("proposed", "approved"),
        ("approved", "ordered"),
        ("ordered", "completed"),
    ]
    assert [step["actor"] for step in history] == ["test", "local", "local", "local"]
    assert history[1]["reason"] == "cheap and far"


def test_every_step_has_an_audit_event(client: TestClient, key: int) -> None:
    move(client, key, "approve", "order", "complete")
    assert audit_actions(client, "recommendation") == ["approved", "ordered", "completed"]
    assert audit_actions(client, "sample")[-1] == "label"


def test_history_and_audit_fall_with_the_change(client: TestClient, proposal: Proposal, key: int) -> None:
    move(client, key, "approve", "order")
    before = read(client, key)
    response = act(client, key, "complete", target=1e9)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == ["/target"]
    assert read(client, key) == before
    assert audit_actions(client, "recommendation") == ["approved", "ordered"]
    assert sample(client, proposal.sample_ids[0])["status"] == "candidate"


@pytest.mark.parametrize("status", WAYS)
def test_each_status_allows_what_it_says_and_nothing_else(client: TestClient, status: str) -> None:
    keys = propose(client, sample_documents(len(STATUS_AFTER))).recommendation_ids
    for key, (action, after) in zip(keys, STATUS_AFTER.items(), strict=True):
        move(client, key, *WAYS[status])
        before = read(client, key)
        response = act(client, key, action, **BODIES.get(action, {}))
        if after in before["allowed"]:
            assert response.json()["status"] == after
            continue
        problem = assert_problem(response, 409, "illegal_transition")
        allowed = ", ".join(before["allowed"]) or "nothing: it has ended"
        assert problem["hint"] == f"Allowed now: {allowed}."
        assert read(client, key) == before


@pytest.mark.parametrize("document", [{}, {"reason": ""}, {"reason": "   "}, {"reason": "\x00"}])
def test_a_rejection_needs_a_reason(client: TestClient, key: int, document: dict[str, str]) -> None:
    response = client.post(f"{API}/recommendations/{key}:reject", json=document)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == ["/reason"]
    assert read(client, key)["status"] == "proposed"


def test_a_rejected_design_may_be_proposed_again(client: TestClient, proposal: Proposal, key: int) -> None:
    act(client, key, "reject", reason="the car is gone")
    assert read(client, key)["history"][-1]["reason"] == "the car is gone"
    assert repropose(client, proposal)


def repropose(client: TestClient, proposal: Proposal) -> int:
    """A new round that proposes the first sample once more."""
    sessions = client.app.state.sessions
    return add_round(sessions, proposal.campaign_id, proposal.surrogate_id, proposal.sample_ids[:1])[0]


def proposable(client: TestClient, sample_id: int) -> bool:
    with client.app.state.sessions() as session:
        return sample_id not in repository.proposed_or_pending(session, [sample_id])


def test_a_failed_test_leaves_a_candidate(client: TestClient, proposal: Proposal, key: int) -> None:
    assert not proposable(client, proposal.sample_ids[0])
    move(client, key, "approve", "order", "fail")
    assert sample(client, proposal.sample_ids[0])["status"] == "candidate"
    assert proposable(client, proposal.sample_ids[0])


def test_an_abandoned_design_is_never_proposed_again(
    client: TestClient, proposal: Proposal, key: int
) -> None:
    move(client, key, "approve", "abandon")
    assert sample(client, proposal.sample_ids[0])["status"] == "abandoned"
    assert not proposable(client, proposal.sample_ids[0])
    assert audit_actions(client, "sample")[-1] == "abandon"


@pytest.mark.parametrize("status", ["failed", "abandoned"])
def test_a_late_result_is_accepted_and_marked(
    client: TestClient, proposal: Proposal, key: int, status: str
) -> None:
    move(client, key, *WAYS[status])
    late = act(client, key, "complete", target=25.0)
    assert late.status_code == 200
    assert (late.json()["status"], late.json()["is_late"]) == ("completed", True)
    assert sample(client, proposal.sample_ids[0])["status"] == "labelled"


def test_the_first_label_of_a_sample_stays(client: TestClient, proposal: Proposal, key: int) -> None:
    move(client, key, "approve", "order", "fail")
    move(client, repropose(client, proposal), "approve", "order", "complete")
    before = read(client, key)
    problem = assert_problem(act(client, key, "complete", target=70.0), 409, "conflict")
    assert "has its label already" in problem["detail"]
    assert sample(client, proposal.sample_ids[0])["target"] == 26.0
    assert read(client, key) == before


@pytest.mark.parametrize("steps", [[], ["approve"]])
def test_no_money_goes_into_a_design_that_a_late_result_has_labelled(
    client: TestClient, proposal: Proposal, key: int, steps: list[str]
) -> None:
    move(client, key, "approve", "order", "fail")
    again = repropose(client, proposal)
    move(client, again, *steps)
    assert act(client, key, "complete", target=25.0).status_code == 200
    refused = assert_problem(act(client, again, "order" if steps else "approve"), 409, "conflict")
    assert "is labelled already" in refused["detail"]
    way_out = act(client, again, "abandon") if steps else act(client, again, "reject", **BODIES["reject"])
    assert way_out.status_code == 200


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, "/target"),
        ({"target": None}, "/target"),
        ({"target": "26"}, "/target"),
        ({"target": 4}, "/target"),
        ({"target": {"value": 250, "unit": "m/s²"}}, "/target"),
        ({"target": 26, "executed_features": {"speed": 1}}, "/executed_features/speed"),
        ({"target": 26, "executed_features": {"test_mass_kg": 9}}, "/executed_features/test_mass_kg"),
        ({"target": 26, "label_details": {"a": "\x00"}}, "/label_details"),
        ({"target": 26, "rolc": 26}, "/rolc"),
    ],
)
def test_a_result_that_does_not_fit_is_named(
    client: TestClient, key: int, document: dict[str, Any], pointer: str
) -> None:
    move(client, key, "approve", "order")
    response = client.post(f"{API}/recommendations/{key}:complete", json=document)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == [pointer]


def test_an_approval_beyond_the_remaining_budget_is_refused(client: TestClient) -> None:
    first, second = propose(client, budget="500000").recommendation_ids
    move(client, first, "approve")
    problem = assert_problem(act(client, second, "approve"), 409, "conflict")
    assert problem["detail"] == "It costs 300,000.00 USD, and 200,000.00 are left of the budget."
    move(client, first, "abandon")
    move(client, second, "approve")


def test_a_failed_test_was_paid_for(client: TestClient) -> None:
    first, second = propose(client, budget="500000").recommendation_ids
    move(client, first, "approve", "order", "fail")
    assert_problem(act(client, second, "approve"), 409, "conflict")


def test_an_approval_waits_for_another_that_is_not_committed_yet(client: TestClient) -> None:
    first, second = propose(client, budget="500000").recommendation_ids
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(client.app.state.sessions) as session:
            service.change(session, first, RecommendationStatus.APPROVED, actor="test")
            waiting = pool.submit(act, client, second, "approve")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        assert_problem(waiting.result(timeout=10), 409, "conflict")


def test_an_order_waits_for_another_that_is_not_committed_yet(client: TestClient) -> None:
    sources = [SOURCES[0] | {"capacity": 1}]
    first, second = propose(client, sources=sources).recommendation_ids
    move(client, first, "approve")
    move(client, second, "approve")
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(client.app.state.sessions) as session:
            service.change(session, first, RecommendationStatus.ORDERED, actor="test")
            waiting = pool.submit(act, client, second, "order")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        assert_problem(waiting.result(timeout=10), 409, "conflict")


def test_a_source_takes_as_many_orders_as_it_can_run(client: TestClient) -> None:
    sources = [SOURCES[0] | {"capacity": 1}, SOURCES[1]]
    first, second = propose(client, sources=sources).recommendation_ids
    move(client, first, "approve", "order")
    move(client, second, "approve")
    problem = assert_problem(act(client, second, "order"), 409, "conflict")
    assert "'full_vehicle' runs 1 orders at once" in problem["detail"]
    move(client, first, "complete")
    move(client, second, "order")


def test_two_decisions_at_once_leave_one(client: TestClient, key: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        yes = pool.submit(act, client, key, "approve")
        no = pool.submit(act, client, key, "reject", reason="no")
    assert sorted([yes.result().status_code, no.result().status_code]) == [200, 409]
    assert len(read(client, key)["history"]) == 2


def test_a_simulation_is_handed_to_a_worker(client: TestClient, broker_url: str) -> None:
    (key,) = propose(client, sample_documents(1, source="simulation")).recommendation_ids
    move(client, key, "approve")
    response = act(client, key, "simulate")
    assert response.status_code == 202
    assert response.json()["status"] == "ordered"
    assert act(client, key, "simulate").status_code == 202
    with client.app.state.sessions() as session:
        run_id = session.scalars(select(SimulationRun.id)).one()
    assert queued_messages(broker_url, "cpu") == [("simulation.run", [run_id])] * 2
    assert len(read(client, key)["history"]) == 3
    (run,) = client.get(f"{API}/recommendations/{key}/simulation-runs").json()
    assert (run["id"], run["status"], run["attempts"]) == (run_id, "queued", [])
    assert run["configuration"]["oracle"] == "occupant_model"


def test_simulation_runs_show_their_attempts(client: TestClient) -> None:
    (key,) = propose(client, sample_documents(1, source="simulation")).recommendation_ids
    assert client.get(f"{API}/recommendations/{key}/simulation-runs").json() == []
    move(client, key, "approve")
    assert act(client, key, "simulate").status_code == 202
    with unit_of_work(client.app.state.sessions) as session:
        run = session.scalars(select(SimulationRun)).one()
        claimed = runs_repository.claim(session, SimulationRun, run.id, worker="w", lease_s=60)
        assert simulations.begin(session, claimed)
        simulations.fail(session, claimed, "timeout", "it hung")
    (run,) = client.get(f"{API}/recommendations/{key}/simulation-runs").json()
    assert (run["status"], run["error_code"], run["error_message"]) == ("failed", "timeout", "it hung")
    assert [(line["outcome"], line["message"]) for line in run["attempts"]] == [("failed", "it hung")]
    assert read(client, key)["history"][-1]["reason"] == "it hung"
    assert_problem(client.get(f"{API}/recommendations/77/simulation-runs"), 404, "not_found")


def test_what_nobody_approved_is_not_simulated(client: TestClient, broker_url: str) -> None:
    (key,) = propose(client, sample_documents(1, source="simulation")).recommendation_ids
    assert_problem(act(client, key, "simulate"), 409, "illegal_transition")
    assert queued_messages(broker_url, "cpu") == []


def test_a_physical_test_has_no_oracle(client: TestClient, key: int) -> None:
    move(client, key, "approve")
    assert "no oracle" in assert_problem(act(client, key, "simulate"), 409, "conflict")["detail"]


@pytest.mark.parametrize("action", [*STATUS_AFTER, "simulate"])
def test_an_unknown_recommendation_is_404(client: TestClient, action: str) -> None:
    assert_problem(act(client, 77, action, **BODIES.get(action, {})), 404, "not_found")


def test_an_unknown_recommendation_cannot_be_read(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/recommendations/77"), 404, "not_found")


def test_an_unknown_action_is_a_problem(client: TestClient, key: int) -> None:
    assert_problem(act(client, key, "destroy"), 404, "not_found")


def test_recommendations_are_listed_by_rank_and_status(client: TestClient, proposal: Proposal) -> None:
    move(client, proposal.recommendation_ids[1], "approve")
    url = f"{API}/campaigns/{proposal.campaign_id}/recommendations"
    everything = client.get(url).json()["items"]
    assert [(row["rank"], row["source"], row["lead_time_hours"]) for row in everything] == [
        (1, "full_vehicle", "336"),
        (2, "full_vehicle", "336"),
    ]
    approved = client.get(url, params={"status": "approved"}).json()["items"]
    assert [row["id"] for row in approved] == proposal.recommendation_ids[1:]
    assert_problem(client.get(url, params={"status": "done"}), 422, "invalid_input")


def test_the_batch_of_a_round_comes_in_pages(client: TestClient) -> None:
    proposal = propose(client, sample_documents(5))
    round_id = read(client, proposal.recommendation_ids[0])["round_id"]
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        url = f"{API}/acquisition-rounds/{round_id}/recommendations"
        answer = client.get(url, params={"limit": 2, "cursor": cursor}).json()
        seen, cursor = seen + [row["rank"] for row in answer["items"]], answer["next_cursor"]
    assert seen == [1, 2, 3, 4, 5]


def test_history_rows_cannot_be_changed(client: TestClient, key: int) -> None:
    sessions = client.app.state.sessions
    with sessions() as session, pytest.raises(DBAPIError, match="append-only"):
        session.execute(text("UPDATE recommendation_changes SET reason = 'other'"))
    with sessions() as session:
        assert len(session.scalars(select(RecommendationChange)).all()) == 2


def test_a_change_that_is_rolled_back_leaves_no_trace(client: TestClient, key: int) -> None:
    sessions = client.app.state.sessions

    def approve_and_fail() -> None:
        with unit_of_work(sessions) as session:
            service.change(session, key, RecommendationStatus.APPROVED, actor="test")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        approve_and_fail()
    assert status_of(sessions, key) is RecommendationStatus.PROPOSED
    assert audit_actions(client, "recommendation") == []
