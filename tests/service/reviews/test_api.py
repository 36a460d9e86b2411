"""The queue of suspicious tests, and each decision about them, over HTTP."""

from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AuditEvent, DataValue, Sample
from service.lifecycles import RunStatus
from service.valuations import repository as valuations
from tests.support import (
    API,
    add_samples,
    assert_problem,
    create_campaign,
    new_run,
    pointers,
    sample_document,
    sample_documents,
)

Sessions = sessionmaker[Session]
# (value, label side, features side): sound, wrong label, wrong features, far from the target domain.
SOUND, WRONG_LABEL, WRONG_FEATURES = (0.95, 0.97, 0.98), (0.05, 0.06, 0.99), (0.05, 0.98, 0.07)
FAR = (0.0 + 0.98 * 0.1 - 0.02 * 0.1, 0.98, 0.1)
SIDES = (SOUND, WRONG_LABEL, WRONG_FEATURES, FAR)


def value(sessions: Sessions, campaign_id: int, sides: dict[int, tuple[float, float, float]]) -> int:
    """A succeeded run with these values."""
    with unit_of_work(sessions) as session:
        run = valuations.add(
            session, new_run(campaign_id, RunStatus.SUCCEEDED, configuration={"mode": "normalized"})
        )
        valuations.insert_values(
            session,
            [
                {
                    "valuation_run_id": run.id, "sample_id": key, "rank": rank, "value": numbers[0], "weight": 1.0,
                    "spread": 0.1, "value_target_loss": numbers[1], "value_transport": numbers[2],
                }
                for rank, (key, numbers) in enumerate(sides.items(), 1)
            ],
        )  # fmt: skip
        return run.id


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


@pytest.fixture
def ids(client: TestClient, sessions: Sessions, campaign_id: int) -> list[int]:
    """Sound, wrong label, wrong features, far."""
    labelled = [document | {"target": 26.0} for document in sample_documents(4)]
    found = add_samples(client, campaign_id, labelled)
    value(sessions, campaign_id, dict(zip(found, SIDES, strict=True)))
    return found


def queue(client: TestClient, campaign_id: int) -> list[int]:
    found = client.get(f"{API}/campaigns/{campaign_id}/review-queue").json()
    assert found["total"] == len(found["items"])
    return [item["sample_id"] for item in found["items"]]


def decide(client: TestClient, sample_id: int, action: str, **document: Any) -> Any:
    return client.post(f"{API}/samples/{sample_id}:{action}", json={"reason": "Film and log."} | document)


def test_wrong_labels_and_features_wait_and_far_designs_do_not(
    client: TestClient, campaign_id: int, ids: list[int]
) -> None:
    found = client.get(f"{API}/campaigns/{campaign_id}/review-queue").json()["items"]
    assert [item["sample_id"] for item in found] == [ids[1], ids[2]]
    (label,), (features,) = (item["findings"] for item in found)
    assert label["finding"] == "wrong_label"
    assert "wrong with probability 94 %" in label["sentence"]
    assert features["finding"] == "wrong_features"
    assert found[0]["last_decision"] is None


def test_nothing_waits_before_the_first_valuation(client: TestClient, campaign_id: int) -> None:
    add_samples(client, campaign_id, sample_documents(3, target=25.0))
    assert queue(client, campaign_id) == []


def test_an_outlier_waits_even_if_the_network_finds_nothing(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    usual = [sample_document(features={"test_mass_kg": 1500 + i}, target=24 + i % 5) for i in range(30)]
    found = add_samples(client, campaign_id, [*usual, sample_document(target=75.0)])
    value(sessions, campaign_id, dict.fromkeys(found, SOUND))
    items = client.get(f"{API}/campaigns/{campaign_id}/review-queue").json()["items"]
    assert [item["sample_id"] for item in items] == found[-1:]
    assert {finding["finding"] for finding in items[0]["findings"]} >= {"label_outlier"}
    assert "75.00" in " ".join(finding["sentence"] for finding in items[0]["findings"])


@pytest.mark.parametrize(
    ("action", "decision"), [("confirm-label", "confirmed"), ("dismiss-doubt", "dismissed")]
)
def test_what_is_decided_waits_no_longer(
    client: TestClient, sessions: Sessions, campaign_id: int, ids: list[int], action: str, decision: str
) -> None:
    response = decide(client, ids[1], action)
    assert response.status_code == 200, response.text
    review = response.json()
    assert (review["decision"], review["actor"], review["reason"]) == (decision, "local", "Film and log.")
    assert review["evidence"] == {
        "findings": ["wrong_label"], "value": 0.05, "value_target_loss": 0.06, "value_transport": 0.99, "target": 26.0,
    }  # fmt: skip
    assert queue(client, campaign_id) == [ids[2]]
    assert client.get(f"{API}/campaigns/{campaign_id}/reviews").json()["items"] == [review]
    with sessions() as session:
        event = session.query(AuditEvent).filter_by(entity="sample", entity_id=ids[1]).one()
    assert event.action == action.replace("-", "_")
    assert event.after["reason"] == "Film and log."
    assert_problem(decide(client, ids[1], action), 409, "conflict")


@pytest.mark.parametrize(("action", "asked_again"), [("confirm-label", False), ("dismiss-doubt", True)])
def test_a_later_run_with_the_same_doubt_asks_again_only_what_was_dismissed(
    client: TestClient, sessions: Sessions, campaign_id: int, ids: list[int], action: str, asked_again: bool
) -> None:
    decide(client, ids[1], action)
    value(sessions, campaign_id, dict(zip(ids, SIDES, strict=True)))
    assert (ids[1] in queue(client, campaign_id)) is asked_again


@pytest.mark.parametrize(
    ("sides", "asked_again"),
    [
        ((0.05, 0.31, 0.9), False),
        ((0.05, 0.19, 0.9), False),
        ((0.05, 0.09, 0.9), True),
        ((0.0, 0.9, 0.3), True),
    ],
)
def test_a_confirmed_label_is_asked_about_again_when_the_evidence_has_changed(
    client: TestClient, sessions: Sessions, campaign_id: int, sides: Any, asked_again: bool
) -> None:
    """0.2 lower, or another finding."""
    (sample_id,) = add_samples(client, campaign_id, sample_documents(1, target=26.0))
    value(sessions, campaign_id, {sample_id: (0.2, 0.3, 0.9)})
    decide(client, sample_id, "confirm-label")
    value(sessions, campaign_id, {sample_id: sides})
    assert (queue(client, campaign_id) == [sample_id]) is asked_again


def test_a_corrected_label_keeps_its_history(
    client: TestClient, sessions: Sessions, campaign_id: int, ids: list[int]
) -> None:
    response = decide(client, ids[1], "correct-label", target={"value": 31.5, "unit": "g"})
    assert response.status_code == 200, response.text
    assert client.get(f"{API}/samples/{ids[1]}").json()["target"] == 31.5
    changes = client.get(f"{API}/samples/{ids[1]}/label-changes").json()
    assert [(row["target"], row["reason"]) for row in changes] == [(26.0, ""), (31.5, "Film and log.")]
    with sessions() as session:
        event = session.query(AuditEvent).filter_by(action="correct_label").one()
    assert (event.before, event.after["target"]) == ({"target": 26.0}, 31.5)
    assert queue(client, campaign_id) == [ids[2]]
    value(sessions, campaign_id, dict(zip(ids, SIDES, strict=True)))
    assert ids[1] in queue(client, campaign_id)


@pytest.mark.parametrize("target", [500.0, {"value": 30.0, "unit": "m/s2"}, 26.0, "31"])
def test_a_label_that_does_not_fit_is_refused_and_nothing_changes(
    client: TestClient, campaign_id: int, ids: list[int], target: Any
) -> None:
    problem = assert_problem(decide(client, ids[1], "correct-label", target=target), 422, "invalid_input")
    assert "/target" in pointers(problem)
    assert client.get(f"{API}/samples/{ids[1]}").json()["target"] == 26.0
    assert ids[1] in queue(client, campaign_id)


def test_a_retest_makes_a_candidate_and_comes_back_when_it_was_valued(
    client: TestClient, sessions: Sessions, campaign_id: int, ids: list[int]
) -> None:
    review = decide(client, ids[1], "retest").json()
    repetition = client.get(f"{API}/samples/{review['retest_sample_id']}").json()
    assert (repetition["status"], repetition["repeats_sample_id"]) == ("candidate", ids[1])
    assert queue(client, campaign_id) == [ids[2]]
    problem = assert_problem(decide(client, ids[1], "retest"), 409, "conflict")
    assert "is a candidate already" in problem["detail"]
    value(sessions, campaign_id, dict(zip(ids, SIDES, strict=True)))
    assert queue(client, campaign_id) == [ids[2]]
    with unit_of_work(sessions) as session:
        sample = session.get_one(Sample, repetition["id"])
        sample.status, sample.target, sample.label_definition = "labelled", 26.0, "rolc/1"
    value(sessions, campaign_id, dict(zip([*ids, repetition["id"]], [*SIDES, SOUND], strict=True)))
    assert queue(client, campaign_id) == [ids[1], ids[2]]
    assert_problem(decide(client, repetition["id"], "retest"), 409, "conflict")


@pytest.mark.parametrize("action", ["confirm-label", "dismiss-doubt", "correct-label", "retest"])
def test_each_decision_needs_a_reason_a_label_and_a_sample(
    client: TestClient, campaign_id: int, ids: list[int], action: str
) -> None:
    more = {"target": 30.0} if action == "correct-label" else {}
    assert_problem(decide(client, ids[1], action, reason=" ", **more), 422, "invalid_input")
    assert_problem(decide(client, 10**9, action, **more), 404, "not_found")
    (candidate,) = add_samples(client, campaign_id, sample_documents(1))
    assert_problem(decide(client, candidate, action, **more), 409, "conflict")


def test_what_is_not_suspicious_is_not_confirmed(client: TestClient, ids: list[int]) -> None:
    problem = assert_problem(decide(client, ids[0], "confirm-label"), 409, "conflict")
    assert "does not wait" in problem["detail"]


def test_the_holdout_is_not_acquired_again(client: TestClient, campaign_id: int, ids: list[int]) -> None:
    (held_out,) = add_samples(client, campaign_id, sample_documents(1, target=25.0, split="holdout"))
    assert_problem(decide(client, held_out, "retest"), 409, "conflict")


def test_values_of_mode_published_are_not_read_as_probabilities(
    client: TestClient, sessions: Sessions, campaign_id: int, ids: list[int]
) -> None:
    run_id = value(sessions, campaign_id, dict(zip(ids, SIDES, strict=True)))
    with unit_of_work(sessions) as session:
        row = session.get_one(DataValue, (run_id, ids[0]))
        run = valuations.get(session, row.valuation_run_id)
        assert run is not None
        run.configuration = {"mode": "published"}
    assert queue(client, campaign_id) == []
