"""Every label that a sample gets is kept, whatever way it came."""

from starlette.testclient import TestClient

from tests.support import API, act, add_samples, assert_problem, move, propose, sample_document


def history(client: TestClient, sample_id: int) -> list[tuple[float, str, str]]:
    rows = client.get(f"{API}/samples/{sample_id}/label-changes").json()
    return [(row["target"], row["label_definition"], row["actor"]) for row in rows]


def test_labels_of_single_and_bulk_samples_begin_their_history(client: TestClient, campaign_id: int) -> None:
    document = sample_document(target=25.5, label_definition="rolc/1")
    single = client.post(f"{API}/campaigns/{campaign_id}/samples", json=document).json()["id"]
    labelled, candidate = add_samples(client, campaign_id, [sample_document(target=26.5), sample_document()])
    assert history(client, single) == [(25.5, "rolc/1", "local")]
    assert history(client, labelled) == [(26.5, "rolc/1", "local")]
    assert history(client, candidate) == []


def test_a_result_of_an_acquisition_begins_the_history(client: TestClient) -> None:
    proposal = propose(client, [sample_document()])
    move(client, proposal.recommendation_ids[0], "approve", "order")
    act(client, proposal.recommendation_ids[0], "complete", target=27.25, reason="lab 3")
    assert history(client, proposal.sample_ids[0]) == [(27.25, "rolc/1", "local")]


def test_an_unknown_sample_has_no_history(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/samples/77/label-changes"), 404, "not_found")
