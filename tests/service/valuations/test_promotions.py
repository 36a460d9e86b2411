"""Which surrogate serves: the gate, its override, and who asks for the one that serves."""

from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, AuditEvent, Surrogate
from service.valuations import promotions
from tests.service.valuations.test_artefact_retention import kept, make_old
from tests.support import API, add_finished_valuation, add_samples, assert_problem, create_campaign
from tests.support import sample_documents as documents

Sessions = sessionmaker[Session]
LABELS = [20.0 + index for index in range(20)]


def train(sessions: Sessions, campaign_id: int, error_g: float | None, *, promoted: bool = True) -> int:
    """A surrogate that misses each of 20 holdout labels by the error; None: without an assessment."""
    found = add_finished_valuation(sessions, campaign_id)
    with unit_of_work(sessions) as session:
        surrogate = session.get_one(Surrogate, found.surrogate_id)
        if error_g is not None:
            surrogate.assessment = {
                "holdout": {
                    "sample_ids": list(range(1, 21)),
                    "label": LABELS,
                    "predicted": [label + error_g for label in LABELS],
                }
            }
        session.flush()
        if promoted:
            promotions.promote_automatically(session, campaigns.get(session, campaign_id), surrogate)
    return found.surrogate_id


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def serving(client: TestClient, campaign_id: int) -> int:
    return client.get(f"{API}/campaigns/{campaign_id}/serving-surrogate").json()["id"]


def run_of(client: TestClient, surrogate_id: int) -> int:
    return client.get(f"{API}/surrogates/{surrogate_id}").json()["valuation_run_id"]


def promote(client: TestClient, surrogate_id: int, **document: Any) -> Any:
    run_id = run_of(client, surrogate_id)
    return client.post(f"{API}/valuation-runs/{run_id}:promote", json=document or None)


def history(client: TestClient, campaign_id: int) -> list[tuple[int, str, str]]:
    rows = client.get(f"{API}/campaigns/{campaign_id}/surrogate-promotions").json()["items"]
    return [(row["surrogate_id"], row["outcome"], row["actor"]) for row in rows]


def test_without_promotions_the_newest_serves(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    assert_problem(client.get(f"{API}/campaigns/{campaign_id}/serving-surrogate"), 404, "not_found")
    train(sessions, campaign_id, 1.0, promoted=False)
    newest = train(sessions, campaign_id, 9.0, promoted=False)
    assert serving(client, campaign_id) == newest


@pytest.mark.parametrize(("error_g", "serves"), [(0.5, True), (1.0, True), (1.049, True), (1.051, False)])
def test_a_new_one_serves_unless_it_is_worse_beyond_the_tolerance(
    client: TestClient, sessions: Sessions, campaign_id: int, error_g: float, serves: bool
) -> None:
    first = train(sessions, campaign_id, 1.0)
    second = train(sessions, campaign_id, error_g)
    assert serving(client, campaign_id) == (second if serves else first)
    expected = [(first, "first", "gate")] + ([(second, "not_worse", "gate")] if serves else [])
    assert history(client, campaign_id) == expected


def test_what_cannot_be_compared_serves_and_the_history_says_so(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    train(sessions, campaign_id, None)
    second = train(sessions, campaign_id, 9.0)
    assert history(client, campaign_id)[-1] == (second, "not_measured", "gate")


def test_what_was_held_back_serves_by_a_named_override_only(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    first = train(sessions, campaign_id, 1.0)
    worse = train(sessions, campaign_id, 2.0)
    gate = client.get(f"{API}/valuation-runs/{run_of(client, worse)}/promotion-gate").json()
    assert gate["outcome"] == "worse"
    assert (gate["shared_samples"], gate["rmse"], gate["present_rmse"]) == (20, 2.0, 1.0)
    problem = assert_problem(promote(client, worse), 409, "conflict")
    assert "RMSE 2.000 g against 1.000 g" in problem["detail"]
    assert_problem(promote(client, worse, override=True), 422, "invalid_input")
    assert_problem(promote(client, worse, override=True, reason="  "), 422, "invalid_input")
    assert serving(client, campaign_id) == first
    done = promote(client, worse, override=True, reason="The holdout is yesterday's fleet.")
    assert done.status_code == 200, done.text
    assert done.json()["replaced_surrogate_id"] == first
    assert serving(client, campaign_id) == worse
    assert history(client, campaign_id)[-1] == (worse, "overridden", "local")
    with sessions() as session:
        actions = [
            event.action for event in session.query(AuditEvent).filter_by(entity="surrogate").order_by("id")
        ]
    assert actions == ["promote", "hold_back", "promote"]


def test_going_back_to_a_better_one_needs_no_override(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    first = train(sessions, campaign_id, 1.0)
    worse = train(sessions, campaign_id, 2.0)
    promote(client, worse, override=True, reason="a try")
    back = promote(client, first)
    assert (back.status_code, back.json()["outcome"]) == (200, "not_worse")
    assert_problem(promote(client, first), 409, "conflict")


def test_rounds_take_the_one_that_serves(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    add_samples(client, campaign_id, documents(3))
    first = train(sessions, campaign_id, 1.0)
    train(sessions, campaign_id, 2.0)
    response = client.post(f"{API}/campaigns/{campaign_id}/acquisition-rounds", json={})
    assert response.status_code == 202, response.text
    with sessions() as session:
        assert session.query(AcquisitionRound).one().surrogate_id == first


def test_a_round_uses_what_it_trained_unless_that_was_held_back(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    first = train(sessions, campaign_id, 1.0)
    better, worse = train(sessions, campaign_id, 0.5), train(sessions, campaign_id, 2.0)
    with sessions() as session:
        campaign = campaigns.get(session, campaign_id)
        assert promotions.usable_surrogate_id(session, campaign, first) == first
        assert promotions.usable_surrogate_id(session, campaign, worse) == better


def test_the_network_that_serves_is_kept(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    from service.beat import tick

    first = train(sessions, campaign_id, 0.5)
    second = train(sessions, campaign_id, 1.0)
    third = train(sessions, campaign_id, 1.0)
    promote(client, second, override=True, reason="another try")
    make_old(sessions, first, second, third)
    tick(sessions, client.app.state.settings)
    assert kept(sessions) == {second, third}
    assert_problem(promote(client, first), 409, "conflict")


def test_a_run_without_a_surrogate_cannot_serve(client: TestClient, campaign_id: int) -> None:
    add_samples(client, campaign_id, documents(12, target=25.0))
    add_samples(client, campaign_id, documents(2, split="validation"))
    run = client.post(f"{API}/campaigns/{campaign_id}/valuation-runs", json={}).json()
    assert_problem(client.post(f"{API}/valuation-runs/{run['id']}:promote"), 404, "not_found")


def test_the_assessment_is_read_apart(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    surrogate_id = train(sessions, campaign_id, 1.0)
    assert "assessment" not in client.get(f"{API}/surrogates/{surrogate_id}").json()
    found = client.get(f"{API}/surrogates/{surrogate_id}/assessment").json()
    assert found["assessment"]["holdout"]["label"] == LABELS
