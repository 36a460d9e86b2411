"""Designs that people inject into the next round."""

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


def inject(client: TestClient, campaign_id: int, sample_ids: list[int], **more: Any) -> Any:
    document = {"sample_ids": sample_ids, "reason": "The board wants it.", **more}
    return client.post(f"{API}/campaigns/{campaign_id}/injections", json=document)


def veto(client: TestClient, sample_id: int) -> None:
    assert client.post(f"{API}/samples/{sample_id}:veto", json={"reason": "No such body."}).is_success


def ask_for_round(client: TestClient, campaign_id: int, **configuration: Any) -> dict[str, Any]:
    document = {"configuration": configuration}
    response = client.post(f"{API}/campaigns/{campaign_id}/acquisition-rounds", json=document)
    assert response.status_code == 202, response.text
    return response.json()["configuration"]


def test_the_next_round_heeds_injections(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    assert inject(client, campaign_id, [pool[2], pool[0]]).status_code == 201
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == [pool[2], pool[0]]


def test_what_the_request_names_goes_first(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    inject(client, campaign_id, pool[:2])
    wanted = {"injected_sample_ids": [pool[2]], "vetoed_sample_ids": [pool[0]]}
    assert ask_for_round(client, campaign_id, **wanted)["injected_sample_ids"] == [pool[2], pool[1]]


def test_injections_beyond_the_batch_wait(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    inject(client, campaign_id, pool)
    assert ask_for_round(client, campaign_id, batch_size=3)["injected_sample_ids"] == pool[:3]


def test_an_injection_is_fulfilled_by_a_proposal(
    client: TestClient, sessions: sessionmaker[Session], campaign_id: int, pool: list[int]
) -> None:
    inject(client, campaign_id, [pool[0]])
    surrogate_id = add_finished_valuation(sessions, campaign_id).surrogate_id
    (key,) = add_round(sessions, campaign_id, surrogate_id, [pool[0]])
    client.post(f"{API}/recommendations/{key}:reject", json={"reason": "not now"})
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == []
    inject(client, campaign_id, [pool[0]])  # once more, after the rejection
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == [pool[0]]


def test_what_is_proposed_already_is_not_injected(client: TestClient) -> None:
    proposal: Proposal = propose(client)
    assert inject(client, proposal.campaign_id, proposal.sample_ids).status_code == 201
    assert ask_for_round(client, proposal.campaign_id)["injected_sample_ids"] == []


def test_an_injection_rests_while_its_design_is_vetoed(
    client: TestClient, campaign_id: int, pool: list[int]
) -> None:
    inject(client, campaign_id, pool[:2])
    veto(client, pool[0])
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == [pool[1]]
    client.post(f"{API}/samples/{pool[0]}:unveto")
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == pool[:2]


def test_what_is_vetoed_is_not_injected(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    veto(client, pool[1])
    problem = assert_problem(inject(client, campaign_id, pool[:2]), 422, "invalid_input")
    assert "lift the veto first" in pointers(problem)["/sample_ids/1"]


def test_one_injection_stands_for_a_design(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    inject(client, campaign_id, pool[:1], reason="first")
    inject(client, campaign_id, pool[:1], reason="second")
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == pool[:1]
    items = client.get(f"{API}/campaigns/{campaign_id}/injections").json()["items"]
    assert [(item["reason"], item["withdrawn_by"]) for item in items] == [
        ("first", "local"),
        ("second", None),
    ]


def test_withdrawn_once(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    (made,) = inject(client, campaign_id, pool[:1]).json()
    gone = client.post(f"{API}/injections/{made['id']}:withdraw")
    assert (gone.status_code, gone.json()["withdrawn_by"]) == (200, "local")
    assert ask_for_round(client, campaign_id)["injected_sample_ids"] == []
    assert_problem(client.post(f"{API}/injections/{made['id']}:withdraw"), 409, "conflict")
    assert_problem(client.post(f"{API}/injections/999:withdraw"), 404, "not_found")


def test_what_cannot_be_acquired_is_named(client: TestClient, campaign_id: int, pool: list[int]) -> None:
    (labelled,) = add_samples(client, campaign_id, sample_documents(1, target=26.0))
    problem = assert_problem(inject(client, campaign_id, [pool[0], labelled, 999]), 422, "invalid_input")
    assert set(pointers(problem)) == {"/sample_ids/1", "/sample_ids/2"}
    assert client.get(f"{API}/campaigns/{campaign_id}/injections").json()["items"] == []


@pytest.mark.parametrize(
    "changes", [{"reason": " "}, {"reason": "x" * 2001}, {"sample_ids": []}, {"more": 1}]
)
def test_bad_injections_are_refused(
    client: TestClient, campaign_id: int, pool: list[int], changes: dict[str, Any]
) -> None:
    document = {"sample_ids": pool[:1], "reason": "No such body."} | changes
    response = client.post(f"{API}/campaigns/{campaign_id}/injections", json=document)
    assert_problem(response, 422, "invalid_input")


def test_every_injection_is_audited(
    client: TestClient, campaign_id: int, pool: list[int], sessions: sessionmaker[Session]
) -> None:
    (made,) = inject(client, campaign_id, pool[:1]).json()
    client.post(f"{API}/injections/{made['id']}:withdraw")
    with sessions() as session:
        statement = select(AuditEvent).where(AuditEvent.entity == "injection").order_by(AuditEvent.id)
        events = session.scalars(statement).all()
    assert [(event.entity_id, event.action) for event in events] == [
        (made["id"], "create"), (made["id"], "withdraw"),
    ]  # fmt: skip
    assert events[0].after == {"sample_id": pool[0], "reason": "The board wants it."}
