"""Wishes: designs that people inject into the next round, or veto."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.models import AuditEvent
from tests.support import (
    API,
    Proposal,
    add_finished_valuation,
    add_round,
    add_samples,
    assert_problem,
    create_campaign,
    pointers,
    propose,
    sample_documents,
)


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


@pytest.fixture
def pool(client: TestClient, campaign_id: int, sessions: sessionmaker[Session]) -> list[int]:
    """Four candidates of a campaign that can be ranked."""
    found = add_samples(client, campaign_id, sample_documents(4))
    add_finished_valuation(sessions, campaign_id)
    return found


def wish(client: TestClient, campaign_id: int, kind: str, sample_ids: list[int], **more: Any) -> Any:
    document = {"kind": kind, "sample_ids": sample_ids, "reason": "The board wants it.", **more}
    return client.post(f"{API}/campaigns/{campaign_id}/wishes", json=document)


def ask_for_round(client: TestClient, campaign_id: int, **configuration: Any) -> dict[str, Any]:
    document = {"configuration": configuration}
    response = client.post(f"{API}/campaigns/{campaign_id}/acquisition-rounds", json=document)
    assert response.status_code == 202, response.text
    return response.json()["configuration"]


def test_the_next_round_heeds_wishes(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    assert wish(client, campaign_id, "inject", [pool[2], pool[0]]).status_code == 201
    assert wish(client, campaign_id, "veto", [pool[1]]).status_code == 201
    configuration = ask_for_round(client, campaign_id)
    assert configuration["injected_sample_ids"] == [pool[2], pool[0]]
    assert configuration["vetoed_sample_ids"] == [pool[1]]


def test_what_the_request_names_goes_first(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    wish(client, campaign_id, "inject", pool[:2])
    wish(client, campaign_id, "veto", pool[2:])
    wanted = {"injected_sample_ids": [pool[2]], "vetoed_sample_ids": [pool[0]]}
    configuration = ask_for_round(client, campaign_id, **wanted)
    assert configuration["injected_sample_ids"] == [pool[2], pool[1]]
    assert configuration["vetoed_sample_ids"] == [pool[0], pool[3]]


def test_injections_beyond_the_batch_wait(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    wish(client, campaign_id, "inject", pool)
    assert ask_for_round(client, campaign_id, batch_size=3)["injected_sample_ids"] == pool[:3]


def test_an_injection_is_fulfilled_by_a_proposal_and_a_veto_stays(
    client: TestClient, sessions: sessionmaker[Session], campaign_id: int, pool: list[int]
) -> None:
    wish(client, campaign_id, "inject", [pool[0]])
    wish(client, campaign_id, "veto", [pool[1]])
    surrogate_id = add_finished_valuation(sessions, campaign_id).surrogate_id
    (key,) = add_round(sessions, campaign_id, surrogate_id, [pool[0]])
    client.post(f"{API}/recommendations/{key}:reject", json={"reason": "not now"})
    configuration = ask_for_round(client, campaign_id)
    assert (configuration["injected_sample_ids"], configuration["vetoed_sample_ids"]) == ([], [pool[1]])
    wish(client, campaign_id, "inject", [pool[0]])  # once more, after the rejection
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == [pool[0]]


def test_what_is_proposed_already_is_not_injected(client: TestClient) -> None:
    proposal: Proposal = propose(client)
    assert wish(client, proposal.campaign_id, "inject", proposal.sample_ids).status_code == 201
    assert ask_for_round(client, proposal.campaign_id)["injected_sample_ids"] == []


def test_one_wish_stands_for_a_design(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    wish(client, campaign_id, "inject", pool[:1])
    wish(client, campaign_id, "veto", pool[:1])
    configuration = ask_for_round(client, campaign_id)
    assert (configuration["injected_sample_ids"], configuration["vetoed_sample_ids"]) == ([], pool[:1])
    items = client.get(f"{API}/campaigns/{campaign_id}/wishes").json()["items"]
    assert [(item["kind"], item["withdrawn_by"]) for item in items] == [("inject", "local"), ("veto", None)]


def test_withdrawn_once(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    (made,) = wish(client, campaign_id, "veto", pool[:1]).json()
    gone = client.post(f"{API}/wishes/{made['id']}:withdraw")
    assert (gone.status_code, gone.json()["withdrawn_by"]) == (200, "local")
    assert ask_for_round(client, campaign_id)["vetoed_sample_ids"] == []
    assert_problem(client.post(f"{API}/wishes/{made['id']}:withdraw"), 409, "conflict")
    assert_problem(client.post(f"{API}/wishes/999:withdraw"), 404, "not_found")


def test_what_cannot_be_acquired_is_named(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    (labelled,) = add_samples(client, campaign_id, sample_documents(1, target=26.0))
    problem = assert_problem(
        wish(client, campaign_id, "inject", [pool[0], labelled, 999]), 422, "invalid_input"
    )
    assert set(pointers(problem)) == {"/sample_ids/1", "/sample_ids/2"}
    assert client.get(f"{API}/campaigns/{campaign_id}/wishes").json()["items"] == []


@pytest.mark.parametrize(
    "changes", [{"reason": " "}, {"reason": "x" * 2001}, {"sample_ids": []}, {"kind": "maybe"}, {"more": 1}]
)
def test_bad_wishes_are_refused(
    client: TestClient, campaign_id: int, pool: list[int], changes: dict[str, Any]
) -> None:
    document = {"kind": "veto", "sample_ids": pool[:1], "reason": "No such body."} | changes
    response = client.post(f"{API}/campaigns/{campaign_id}/wishes", json=document)
    assert_problem(response, 422, "invalid_input")


def test_every_wish_is_audited(
    client: TestClient, campaign_id: int, pool: list[int], sessions: sessionmaker[Session]
) -> None:
    (made,) = wish(client, campaign_id, "veto", pool[:1]).json()
    client.post(f"{API}/wishes/{made['id']}:withdraw")
    with sessions() as session:
        statement = select(AuditEvent).where(AuditEvent.entity == "wish").order_by(AuditEvent.id)
        events = session.scalars(statement).all()
    assert [(event.entity_id, event.action) for event in events] == [
        (made["id"], "create"), (made["id"], "withdraw"),
    ]  # fmt: skip
    assert events[0].after == {"kind": "veto", "sample_id": pool[0], "reason": "The board wants it."}
