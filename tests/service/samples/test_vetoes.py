"""Standing vetoes, and designs that a round request brings along."""

import pytest
from starlette.testclient import TestClient

from tests.support import (
    API,
    Proposal,
    act,
    add_samples,
    assert_problem,
    pointers,
    propose,
    sample_document,
    sample_documents,
)


@pytest.fixture
def proposal(client: TestClient) -> Proposal:
    return propose(client, sample_documents(1))


@pytest.fixture
def candidate(client: TestClient, proposal: Proposal) -> int:
    return add_samples(client, proposal.campaign_id, [sample_document(external_id="free")])[0]


def test_a_veto_stands_with_its_reason_until_it_is_lifted(client: TestClient, candidate: int) -> None:
    url = f"{API}/samples/{candidate}"
    assert client.get(url).json()["veto"] is None
    vetoed = client.post(f"{url}:veto", json={"reason": " no vehicle left "})
    assert vetoed.status_code == 200, vetoed.text
    veto = vetoed.json()["veto"]
    assert (veto["reason"], veto["actor"]) == ("no vehicle left", "local")
    assert client.get(url).json()["veto"] == veto
    assert_problem(client.post(f"{url}:veto", json={"reason": "again"}), 409, "conflict")
    assert client.post(f"{url}:unveto").json()["veto"] is None
    assert_problem(client.post(f"{url}:unveto"), 409, "conflict")
    assert client.post(f"{url}:veto", json={"reason": "again"}).json()["veto"]["reason"] == "again"


def test_lists_show_vetoes(client: TestClient, proposal: Proposal, candidate: int) -> None:
    client.post(f"{API}/samples/{candidate}:veto", json={"reason": "no"})
    items = client.get(f"{API}/campaigns/{proposal.campaign_id}/samples").json()["items"]
    assert {item["id"]: item["veto"] and item["veto"]["reason"] for item in items} == {
        proposal.sample_ids[0]: None,
        candidate: "no",
    }


def test_only_free_candidates_are_vetoed(client: TestClient, proposal: Proposal) -> None:
    sample_id = proposal.sample_ids[0]
    problem = assert_problem(
        client.post(f"{API}/samples/{sample_id}:veto", json={"reason": "no"}), 409, "conflict"
    )
    assert "Reject or abandon" in problem["hint"]
    act(client, proposal.recommendation_ids[0], "reject", reason="no")
    assert client.post(f"{API}/samples/{sample_id}:veto", json={"reason": "no"}).status_code == 200
    labelled = add_samples(client, proposal.campaign_id, [sample_document(target=25.0)])[0]
    assert_problem(client.post(f"{API}/samples/{labelled}:veto", json={"reason": "no"}), 409, "conflict")
    assert_problem(client.post(f"{API}/samples/4711:veto", json={"reason": "no"}), 404, "not_found")
    empty = client.post(f"{API}/samples/{sample_id}:veto", json={"reason": " "})
    assert list(pointers(assert_problem(empty, 422, "invalid_input"))) == ["/reason"]


def rounds_url(proposal: Proposal) -> str:
    return f"{API}/campaigns/{proposal.campaign_id}/acquisition-rounds"


def test_what_is_vetoed_is_not_injected(client: TestClient, proposal: Proposal, candidate: int) -> None:
    client.post(f"{API}/samples/{candidate}:veto", json={"reason": "no"})
    document = {"configuration": {"injected_sample_ids": [candidate]}}
    problem = assert_problem(client.post(rounds_url(proposal), json=document), 422, "invalid_input")
    assert "unveto" in pointers(problem)["/configuration/injected_sample_ids/0"]


def test_a_round_may_bring_its_own_designs(client: TestClient, proposal: Proposal, candidate: int) -> None:
    document = {
        "configuration": {"injected_sample_ids": [candidate], "batch_size": 3},
        "injected_designs": [sample_document(external_id="mine", features={"test_mass_kg": 2500})],
    }
    response = client.post(rounds_url(proposal), json=document)
    assert response.status_code == 202, response.text
    first, new = response.json()["configuration"]["injected_sample_ids"]
    sample = client.get(f"{API}/samples/{new}").json()
    assert first == candidate
    assert (sample["external_id"], sample["status"]) == ("mine", "candidate")
    assert sample["planned_features"]["test_mass_kg"] == 2500


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"injected_designs": [sample_document(features={"test_mass_kg": 9})]},
         "/injected_designs/0/planned_features/test_mass_kg"),
        ({"injected_designs": [sample_document(target=20.0)]}, ""),
        ({"injected_designs": [sample_document()], "dry_run": True}, ""),
        ({"injected_designs": sample_documents(2), "configuration": {"batch_size": 1}}, ""),
    ],
)  # fmt: skip
def test_designs_that_cannot_be_injected_leave_nothing_behind(
    client: TestClient, proposal: Proposal, document: dict[str, object], pointer: str
) -> None:
    problem = assert_problem(client.post(rounds_url(proposal), json=document), 422, "invalid_input")
    assert list(pointers(problem)) == [pointer]
    assert len(client.get(f"{API}/campaigns/{proposal.campaign_id}/samples").json()["items"]) == 1
