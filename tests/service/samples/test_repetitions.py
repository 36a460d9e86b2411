"""A repetition is a candidate of its own that knows which labelled sample it repeats."""

from collections.abc import Sequence

import pytest
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from service.acquisitions import outcomes
from service.acquisitions.schemas import Completion
from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.samples import service
from tests.support import (
    API,
    act,
    add_finished_valuation,
    add_round,
    add_samples,
    create_campaign,
    move,
    sample_document,
)


def repeat(client: TestClient, campaign_id: int, ids: Sequence[int]) -> dict[int, int]:
    with unit_of_work(client.app.state.sessions) as session:
        return service.add_repetitions(session, campaigns.get(session, campaign_id), ids, actor="test")


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


@pytest.fixture
def labelled(client: TestClient, campaign_id: int) -> int:
    tested = {"target": 26.0, "executed_features": {"impact_speed_kmh": 57.3}}
    (key,) = add_samples(
        client, campaign_id, [sample_document(external_id="T-1", group="platform-A", **tested)]
    )
    return key


def read(client: TestClient, sample_id: int) -> dict[str, object]:
    return client.get(f"{API}/samples/{sample_id}").json()


def test_a_repetition_has_the_plan_of_what_it_repeats_and_no_result(
    client: TestClient, campaign_id: int, labelled: int
) -> None:
    key = repeat(client, campaign_id, [labelled])[labelled]
    original, repetition = read(client, labelled), read(client, key)
    for name in ("planned_features", "source", "split", "group"):
        assert repetition[name] == original[name]
    assert (repetition["status"], repetition["target"], repetition["executed_features"]) == (
        "candidate",
        None,
        None,
    )
    assert (repetition["repeats_sample_id"], original["repeats_sample_id"]) == (labelled, None)
    assert repetition["external_id"] == "T-1 (repetition 1)"


def test_its_result_labels_the_repetition_and_leaves_the_first_label(
    client: TestClient, campaign_id: int, labelled: int
) -> None:
    key = repeat(client, campaign_id, [labelled])[labelled]
    sessions = client.app.state.sessions
    surrogate_id = add_finished_valuation(sessions, campaign_id).surrogate_id
    (recommendation,) = add_round(sessions, campaign_id, surrogate_id, [key])
    read_back = client.get(f"{API}/recommendations/{recommendation}").json()
    assert read_back["repeats_sample_id"] == labelled
    move(client, recommendation, "approve", "order")
    assert act(client, recommendation, "complete", target=31.0).status_code == 200
    assert [read(client, sample)["target"] for sample in (labelled, key)] == [26.0, 31.0]
    report = client.get(f"{API}/campaigns/{campaign_id}/hygiene").json()
    assert report["duplicates"] == []


def test_a_test_is_repeated_again_once_its_repetition_has_ended(
    client: TestClient, campaign_id: int, labelled: int
) -> None:
    first = repeat(client, campaign_id, [labelled])[labelled]
    with pytest.raises(IntegrityError, match="uq_samples_candidate_repetition"):
        repeat(client, campaign_id, [labelled])
    with unit_of_work(client.app.state.sessions) as session:
        outcomes.label(session, first, Completion(target=27.0), actor="test")
    second = repeat(client, campaign_id, [labelled])[labelled]
    assert read(client, second)["external_id"] == "T-1 (repetition 2)"
