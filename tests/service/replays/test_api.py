"""Replays over HTTP, and the past that they look at."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, Sample
from service.lifecycles import OPEN, RunStatus
from service.replays import repository
from service.runs.repository import transaction_start
from service.samples import repository as samples
from service.vocabulary import Split
from tests.support import API, Proposal, act, add_samples, assert_problem, move, propose, queued_messages
from tests.support import sample_documents as documents


@pytest.fixture
def proposal(client: TestClient) -> Proposal:
    return propose(client, documents(4))


def change_round(client: TestClient, **columns: Any) -> int:
    with unit_of_work(client.app.state.sessions) as session:
        round_ = session.get_one(AcquisitionRound, 1)
        for name, value in columns.items():
            setattr(round_, name, value)
        return round_.id


def test_a_replay_takes_over_what_the_round_was_asked_for(
    client: TestClient, proposal: Proposal, broker_url: str
) -> None:
    round_id = change_round(client, frozen_at=datetime.now(UTC), seed=5, configuration={"batch_size": 2})
    response = client.post(f"{API}/acquisition-rounds/{round_id}:replay")
    assert response.status_code == 202
    replay = response.json()
    assert (replay["round_id"], replay["seed"], replay["configuration"]) == (round_id, 5, {"batch_size": 2})
    assert client.get(response.headers["location"]).json() == replay
    assert queued_messages(broker_url, "gpu") == [("acquisition.replay", [replay["id"]])]
    listed = client.get(f"{API}/acquisition-rounds/{round_id}/replays").json()["items"]
    assert [item["id"] for item in listed] == [replay["id"]]
    assert client.post(f"{response.headers['location']}:cancel").json()["status"] == "cancelled"


@pytest.mark.parametrize(
    "columns", [{"frozen_at": None}, {"frozen_at": datetime.now(UTC), "status": RunStatus.RUNNING}]
)
def test_a_round_without_a_ranking_or_a_moment_cannot_be_replayed(
    client: TestClient, proposal: Proposal, columns: dict[str, Any]
) -> None:
    round_id = change_round(client, **columns)
    assert_problem(client.post(f"{API}/acquisition-rounds/{round_id}:replay"), 409, "conflict")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "acquisition-rounds/77:replay"),
        ("GET", "acquisition-rounds/77/replays"),
        ("GET", "replays/77"),
        ("POST", "replays/77:cancel"),
    ],
)
def test_what_is_unknown_is_404(client: TestClient, method: str, path: str) -> None:
    assert_problem(client.request(method, f"{API}/{path}"), 404, "not_found")


def seen(session: Session, campaign_id: int) -> dict[str, Any]:
    """What a loader reads of a campaign."""
    labelled = samples.labelled(session, campaign_id, splits=[Split.TRAIN])
    return {
        "labelled": [(row.id, row.target, row.executed_features) for row in labelled],
        "candidates": [row for block in samples.candidate_blocks(session, campaign_id) for row in block],
        "open": samples.open_sample_ids(session, campaign_id, OPEN),
    }


def test_the_past_is_read_as_it_was_whatever_has_become_of_it(client: TestClient, proposal: Proposal) -> None:
    sessions, campaign_id = client.app.state.sessions, proposal.campaign_id
    first, second, third, _ = proposal.recommendation_ids
    move(client, first, "approve", "order", "complete")
    move(client, second, "approve")
    with sessions() as session:
        moment, before = transaction_start(session), seen(session, campaign_id)
    move(client, second, "order", "complete")
    move(client, third, "approve", "abandon")
    act(client, proposal.recommendation_ids[3], "reject", reason="no")
    add_samples(client, campaign_id, documents(2))
    with sessions() as session:
        after = seen(session, campaign_id)
    with sessions() as session, repository.as_of(session, moment):
        assert seen(session, campaign_id) == before
    with sessions() as session:
        assert seen(session, campaign_id) == after
        assert after != before


def test_a_label_that_was_mended_later_is_read_as_it_was(client: TestClient, proposal: Proposal) -> None:
    sessions, sample_id = client.app.state.sessions, proposal.sample_ids[0]
    move(client, proposal.recommendation_ids[0], "approve", "order", "complete")
    with sessions() as session:
        moment = transaction_start(session)
    with unit_of_work(sessions) as session:
        session.get_one(Sample, sample_id).target = 31.5
        session.flush()
        samples.record_labels(session, [sample_id], actor="test", reason="mended")
    with sessions() as session, repository.as_of(session, moment):
        assert [
            row.target for row in samples.labelled(session, proposal.campaign_id, splits=[Split.TRAIN])
        ] == [26.0]


def test_an_error_in_the_past_leaves_no_view_behind(client: TestClient, proposal: Proposal) -> None:
    with unit_of_work(client.app.state.sessions) as session:
        with pytest.raises(ZeroDivisionError), repository.as_of(session, datetime.now(UTC)):
            raise ZeroDivisionError
        views = "SELECT count(*) FROM pg_views WHERE schemaname LIKE 'pg_temp%'"
        assert session.execute(text(views)).scalar_one() == 0


@pytest.mark.parametrize("table", ["samples", "recommendations"])
def test_the_past_has_the_columns_of_the_present(client: TestClient, table: str) -> None:
    with client.app.state.sessions() as session:
        columns = set(session.execute(text(f"SELECT * FROM {table}")).keys())
        with repository.as_of(session, datetime.now(UTC)):
            assert set(session.execute(text(f"SELECT * FROM {table}")).keys()) == columns
