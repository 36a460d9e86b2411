"""The audit trail: read, filtered, exported, and out of everybody's reach."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fastapi import FastAPI
from psycopg import errors
from sqlalchemy import make_url
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.audit import repository as audit
from service.database.engine import unit_of_work
from service.database.migrate import upgrade
from service.dependencies import PrincipalInfo, principal_of
from service.embedded import EmbeddedEngines
from tests.conftest import database_named
from tests.support import API, assert_problem, create_campaign, move, propose, psycopg_url

Sessions = sessionmaker[Session]
STATEMENTS = ["UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"]


def record(
    sessions: Sessions, *actions: str, actor: str = "ann", campaign_id: int | None = 1, **more: Any
) -> None:
    """One transaction for each, so that each has a time of its own."""
    for number, action in enumerate(actions, 1):
        with unit_of_work(sessions) as session:
            audit.record(session, actor, action, "sample", number, campaign_id=campaign_id, **more)


def events(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    response = client.get(f"{API}/audit-events", params=query)
    assert response.status_code == 200, response.text
    return response.json()["items"]


def actions(client: TestClient, **query: Any) -> list[str]:
    return [event["action"] for event in events(client, **query)]


def test_an_approval_says_who_when_what_and_by_which_request(client: TestClient) -> None:
    key = propose(client).recommendation_ids[0]
    before = datetime.now(UTC) - timedelta(minutes=1)
    answer = client.post(f"{API}/recommendations/{key}:approve", headers={"x-request-id": "mine-1"})
    assert answer.status_code == 200
    event = events(client, entity="recommendation", entity_id=key)[0]
    assert before < datetime.fromisoformat(event.pop("created_at")) < datetime.now(UTC) + timedelta(minutes=1)
    event.pop("id")
    assert event == {
        "actor": "local", "principal_id": "local", "action": "approved", "entity": "recommendation", "entity_id": key,
        "campaign_id": 1, "request_id": "mine-1", "before": {"status": "proposed"},
        "after": {"status": "approved", "reason": ""},
    }  # fmt: skip


def test_a_result_shows_the_sample_before_and_after(client: TestClient) -> None:
    key = propose(client).recommendation_ids[0]
    move(client, key, "approve", "order", "complete")
    event = events(client, action="label")[0]
    assert event["before"] == {"status": "candidate"}
    assert (event["after"]["status"], event["after"]["target"]) == ("labelled", 26.0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"actor": "ann"}, ["b", "a"]),
        ({"action": "c"}, ["c"]),
        ({"entity": "sample", "entity_id": 2}, ["b"]),
        ({"campaign_id": 2}, ["c"]),
        ({"principal_id": "key:1"}, []),
        ({"actor": "ann", "action": "c"}, []),
    ],
)
def test_all_filters_that_are_given_must_hold(
    client: TestClient, sessions: Sessions, query: dict[str, Any], expected: list[str]
) -> None:
    record(sessions, "a", "b")
    record(sessions, "c", actor="bob", campaign_id=2)
    assert actions(client, **query) == expected


def test_a_span_of_time_has_its_begin_and_not_its_end(client: TestClient, sessions: Sessions) -> None:
    record(sessions, "a", "b", "c")
    times = {event["action"]: event["created_at"] for event in events(client)}
    assert actions(client, **{"from": times["b"]}) == ["c", "b"]
    assert actions(client, until=times["b"]) == ["a"]
    assert actions(client, **{"from": times["a"], "until": times["c"]}) == ["b", "a"]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"until": "2027-01-01T00:00"},
        {"until": "0.5"},
        {"from": "1700000000"},
        {"actor": "a\x00"},
        {"campaign_id": 2**63},
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    assert_problem(client.get(f"{API}/audit-events", params=query), 422, "invalid_input")


@pytest.mark.parametrize(("order", "expected"), [("newest_first", "edcba"), ("oldest_first", "abcde")])
def test_pages_go_through_all_events_once_in_either_order(
    client: TestClient, sessions: Sessions, order: str, expected: str
) -> None:
    record(sessions, *"abcde")
    found, cursor = "", None
    while True:
        query = {"order": order, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{API}/audit-events", params=query).json()
        found += "".join(event["action"] for event in page["items"])
        record(sessions, "late") if order == "newest_first" and cursor is None else None
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == expected


AWKWARD = {"name": 'a "quoted", name\nof two lines Σ', "cost": 12.5, "none": None}


def export(client: TestClient, **query: Any) -> str:
    response = client.get(f"{API}/audit-events:export", params=query)
    assert response.status_code == 200, response.text
    assert "attachment" in response.headers["content-disposition"]
    return response.text


def test_the_export_holds_what_the_list_shows(client: TestClient, sessions: Sessions) -> None:
    record(sessions, "a", "b", before=AWKWARD, after={"x": 1})
    record(sessions, "c", actor="bob")
    lines = [json.loads(line) for line in export(client).splitlines()]
    assert lines == events(client, order="oldest_first")
    assert lines[0]["before"] == AWKWARD
    assert [json.loads(line)["action"] for line in export(client, actor="bob").splitlines()] == ["c"]


def test_the_export_as_csv_has_documents_in_its_cells(client: TestClient, sessions: Sessions) -> None:
    record(sessions, "a", before=AWKWARD)
    (row,) = csv.DictReader(io.StringIO(export(client, format="csv"), newline=""))
    assert (row["actor"], row["action"], json.loads(row["before"]), row["after"]) == ("ann", "a", AWKWARD, "")


def test_an_export_of_several_blocks_is_whole(client: TestClient, sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        for number in range(2 * audit.BLOCK_ROWS + 1):
            audit.record(session, "ann", "a", "sample", number, campaign_id=1)
    found = [json.loads(line)["entity_id"] for line in export(client).splitlines()]
    assert found == list(range(2 * audit.BLOCK_ROWS + 1))


def test_an_empty_export_is_an_empty_file(client: TestClient) -> None:
    assert export(client) == ""
    assert export(client, format="csv").startswith("id,created_at,actor")


def test_who_sees_one_campaign_reads_nothing_of_the_others(
    application: FastAPI, client: TestClient, sessions: Sessions
) -> None:
    record(sessions, "a", campaign_id=1)
    record(sessions, "b", campaign_id=2)
    record(sessions, "c", campaign_id=None)
    application.dependency_overrides[principal_of] = lambda: PrincipalInfo("k", campaign_ids=frozenset({2}))
    try:
        assert actions(client) == ["b"]
        assert [json.loads(line)["action"] for line in export(client).splitlines()] == ["b"]
    finally:
        application.dependency_overrides.clear()


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_replica_session_cannot_switch_the_guard_off(database_url: str, statement: str) -> None:
    with psycopg.connect(psycopg_url(database_url)) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(errors.RestrictViolation, match="append-only"):
            connection.execute(statement)


@pytest.fixture
def plain_role_url(engines: EmbeddedEngines, administrator: psycopg.Connection) -> Iterator[str]:
    """A database that belongs to a role without special rights, as in production, migrated by it."""
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE ROLE {name} LOGIN")
    administrator.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = make_url(database_named(engines, name)).set(username=name)
    upgrade(url.render_as_string(hide_password=False))
    yield psycopg_url(url.render_as_string(hide_password=False))
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
    administrator.execute(f"DROP ROLE {name}")


def test_the_role_of_the_service_has_no_right_to_change_the_trail(plain_role_url: str) -> None:
    with psycopg.connect(plain_role_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO audit_events (actor, action, entity, entity_id) VALUES ('ann', 'create', 'sample', 1)"
        )
        for statement in STATEMENTS:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM audit_events").fetchone() == (1,)


def test_the_event_falls_with_the_change(client: TestClient, sessions: Sessions) -> None:
    create_campaign(client)
    count = len(events(client))
    with sessions() as session:
        audit.record(session, "ann", "create", "sample", 1, campaign_id=1)
        session.flush()
        session.rollback()
    assert len(events(client)) == count
