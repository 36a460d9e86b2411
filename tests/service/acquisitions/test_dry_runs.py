"""Dry runs over HTTP: requested like rounds, looked at, and gone after a while."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.acquisitions import dry_runs, repository
from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import AcquisitionRound, PreviewedPick, RankedCandidate
from service.lifecycles import RunStatus
from service.runs import repository as runs
from tests.support import API, Proposal, act, assert_problem, propose, sample_documents


@pytest.fixture
def proposal(client: TestClient) -> Proposal:
    return propose(client, sample_documents(3), budget="700000")


def request(client: TestClient, campaign_id: int, **configuration: object) -> int:
    document = {"dry_run": True, "configuration": configuration}
    response = client.post(f"{API}/campaigns/{campaign_id}/acquisition-rounds", json=document)
    assert response.status_code == 202, response.text
    assert response.json()["dry_run"] is True
    return response.json()["id"]


def finish(sessions: sessionmaker[Session], round_id: int, sample_ids: list[int]) -> None:
    """What the worker does at the end of a dry run."""
    with unit_of_work(sessions) as session:
        round_ = session.get_one(AcquisitionRound, round_id)
        round_.data_hash = "0" * 64
        round_.status = RunStatus.SUCCEEDED
        runs.close(session, round_, RunStatus.SUCCEEDED)
        repository.insert_preview(
            session, [_pick(round_id, rank, key) for rank, key in enumerate(sample_ids, 1)]
        )
        ranked = [(round_id, 1, sample_ids[0], 1.0, 1.0, 1.0, 25.0, 2.0, True, True)]
        repository.copy_ranking(session, ranked)


def _pick(round_id: int, rank: int, sample_id: int) -> dict[str, object]:
    return {
        "round_id": round_id, "rank": rank, "sample_id": sample_id, "is_repetition": False, "score": 1 / rank,
        "components": {"information": 1.5, "predicted": 25.0, "predicted_std": 2.0}, "reason": "far from all",
        "arm": "chosen", "selection_probability": 1.0, "acquisition_cost": "300000", "currency": "USD",
    }  # fmt: skip


def test_the_batch_of_a_dry_run_is_looked_at_page_by_page(client: TestClient, proposal: Proposal) -> None:
    round_id = request(client, proposal.campaign_id)
    finish(client.app.state.sessions, round_id, proposal.sample_ids)
    url = f"{API}/acquisition-rounds/{round_id}"
    first = client.get(f"{url}/preview", params={"limit": 2}).json()
    rest = client.get(f"{url}/preview", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [pick["rank"] for pick in first["items"] + rest["items"]] == [1, 2, 3]
    assert [pick["sample_id"] for pick in first["items"] + rest["items"]] == proposal.sample_ids
    assert rest["next_cursor"] is None
    pick = first["items"][0]
    assert (pick["predicted"], pick["predicted_std"], pick["source"]) == (25.0, 2.0, "full_vehicle")
    assert (pick["arm"], pick["reason"], pick["acquisition_cost"]) == ("chosen", "far from all", "300000.00")
    assert client.get(f"{url}/recommendations").json()["items"] == []
    assert client.get(f"{url}/ranking").json()["items"][0]["sample_id"] == proposal.sample_ids[0]


def test_rounds_in_lists_say_whether_they_are_dry_runs(client: TestClient, proposal: Proposal) -> None:
    round_id = request(client, proposal.campaign_id)
    items = client.get(f"{API}/campaigns/{proposal.campaign_id}/acquisition-rounds").json()["items"]
    assert [(item["id"] == round_id, item["dry_run"]) for item in items] == [(False, False), (True, True)]
    page = client.get(f"/campaigns/{proposal.campaign_id}/runs").text
    assert f"Dry run {round_id}" in page


def test_a_dry_run_may_ask_what_more_money_would_buy(client: TestClient, proposal: Proposal) -> None:
    for key in proposal.recommendation_ids[:2]:
        act(client, key, "approve")
    round_id = request(client, proposal.campaign_id, budget="5000000")
    round_ = client.get(f"{API}/acquisition-rounds/{round_id}").json()
    assert float(round_["configuration"]["budget"]) == 5_000_000
    assert float(_campaign(client, proposal)["budget"]) == 700_000
    default = client.get(f"{API}/acquisition-rounds/{request(client, proposal.campaign_id)}").json()
    assert float(default["configuration"]["budget"]) == 100_000


def _campaign(client: TestClient, proposal: Proposal) -> dict[str, str]:
    return client.get(f"{API}/campaigns/{proposal.campaign_id}").json()


def test_there_is_no_preview_of_a_round_or_of_what_still_computes(
    client: TestClient, proposal: Proposal
) -> None:
    rounds = client.get(f"{API}/campaigns/{proposal.campaign_id}/acquisition-rounds").json()["items"]
    problem = assert_problem(
        client.get(f"{API}/acquisition-rounds/{rounds[0]['id']}/preview"), 409, "conflict"
    )
    assert problem["hint"].endswith("/recommendations.")
    waiting = request(client, proposal.campaign_id)
    problem = assert_problem(client.get(f"{API}/acquisition-rounds/{waiting}/preview"), 409, "conflict")
    assert "queued" in problem["detail"]
    assert_problem(client.get(f"{API}/acquisition-rounds/4711/preview"), 404, "not_found")


def test_the_ledger_and_replays_know_no_dry_runs(client: TestClient, proposal: Proposal) -> None:
    round_id = request(client, proposal.campaign_id)
    finish(client.app.state.sessions, round_id, proposal.sample_ids)
    ledger = client.get(f"{API}/campaigns/{proposal.campaign_id}/regret-ledger").json()
    assert round_id not in [line["round_id"] for line in ledger["rounds"]]
    assert len(ledger["rounds"]) == 1
    problem = assert_problem(client.post(f"{API}/acquisition-rounds/{round_id}:replay"), 409, "conflict")
    assert "dry run" in problem["detail"]


def test_old_dry_runs_are_deleted_and_nothing_else_is(client: TestClient, proposal: Proposal) -> None:
    sessions: sessionmaker[Session] = client.app.state.sessions
    round_id, waiting = (request(client, proposal.campaign_id) for _ in range(2))
    finish(sessions, round_id, proposal.sample_ids)
    with unit_of_work(sessions) as session:
        now = database_time(session)
        assert dry_runs.prune(session, now=now + dry_runs.KEPT_FOR - timedelta(minutes=1)) == 0
        assert dry_runs.prune(session, now=now + dry_runs.KEPT_FOR + timedelta(minutes=1)) == 1
    with sessions() as session:
        kept = session.scalars(select(AcquisitionRound.id).order_by(AcquisitionRound.id)).all()
        assert len(kept) == 2
        assert kept[-1] == waiting
        assert session.scalars(select(PreviewedPick)).all() == []
        assert session.scalars(select(RankedCandidate)).all() == []
