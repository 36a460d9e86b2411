"""Keys of tools: shown once, found by a hash, limited, revoked, rotated."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.accounts import repository
from service.database.engine import unit_of_work
from service.database.models import ApiKey, AuditEvent
from service.settings import Settings
from tests.support import API, assert_problem, campaign_document, create_campaign, psycopg_url

Keys = Callable[..., dict[str, str]]


def create(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post(f"{API}/api-keys", json={"name": "farm", "scopes": ["read"]} | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['key']}"}


def opens(client: TestClient, key: dict[str, Any]) -> bool:
    return client.get(f"{API}/me", headers=bearer(key)).status_code == 200


def test_a_key_is_shown_once_and_names_itself(admin: TestClient) -> None:
    made = create(admin)
    prefix, public_id, secret = made["key"].split("_", 2)
    assert (prefix, public_id) == ("crs", made["public_id"])
    assert len(secret) == 43  # 256 bits
    read = admin.get(f"{API}/api-keys/{made['id']}").json()
    assert read == {name: value for name, value in made.items() if name != "key"}
    assert admin.get(f"{API}/api-keys").json()["items"] == [read]
    me = admin.get(f"{API}/me", headers=bearer(made)).json()
    assert me == {"name": "key:farm", "id": f"key:{made['id']}", "scopes": ["read"], "campaign_ids": None}


def test_the_database_holds_no_key(admin: TestClient, settings: Settings) -> None:
    made = create(admin)
    with psycopg.connect(psycopg_url(settings.database_url)) as connection:
        rows = connection.execute("SELECT k::text FROM api_keys k UNION SELECT a::text FROM audit_events a")
        assert made["key"].split("_", 2)[2] not in str(rows.fetchall())


def test_two_keys_differ(admin: TestClient) -> None:
    assert create(admin)["key"] != create(admin)["key"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"name": " "}, "/name"),
        ({"campaign_ids": []}, "/campaign_ids"),
        ({"campaign_ids": [77]}, "/campaign_ids"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
    ],
)
def test_what_does_not_fit_is_refused(admin: TestClient, changes: dict[str, Any], pointer: str) -> None:
    answer = admin.post(f"{API}/api-keys", json={"name": "farm", "scopes": ["read"]} | changes)
    problem = assert_problem(answer, 422, "invalid_input")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_revoked_key_opens_nothing(admin: TestClient) -> None:
    made = create(admin)
    assert opens(admin, made)
    revoked = admin.post(f"{API}/api-keys/{made['id']}:revoke").json()
    assert not opens(admin, made)
    assert admin.post(f"{API}/api-keys/{made['id']}:revoke").json() == revoked


def test_an_expired_key_opens_nothing(admin: TestClient, store: sessionmaker[Session]) -> None:
    made = create(admin, expires_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert opens(admin, made)
    with unit_of_work(store) as session:
        session.get_one(ApiKey, made["id"]).expires_at = datetime.now(UTC) - timedelta(seconds=1)
    admin.app.state.authenticator.forget()
    assert not opens(admin, made)


def test_rotation_makes_a_successor_and_lets_the_old_one_live_on(admin: TestClient) -> None:
    own = create_campaign(admin)
    old = create(admin, scopes=["read", "write"], campaign_ids=[own])
    new = admin.post(f"{API}/api-keys/{old['id']}:rotate", json={"overlap_hours": 2}).json()
    assert opens(admin, old)
    assert opens(admin, new)
    assert (new["replaces_id"], new["expires_at"]) == (old["id"], None)
    for name in ("name", "scopes", "campaign_ids"):
        assert new[name] == old[name]
    ends_at = datetime.fromisoformat(admin.get(f"{API}/api-keys/{old['id']}").json()["expires_at"])
    assert abs(ends_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=5)


def test_rotation_without_overlap_ends_the_old_key_at_once(admin: TestClient) -> None:
    old = create(admin)
    new = admin.post(f"{API}/api-keys/{old['id']}:rotate", json={"overlap_hours": 0}).json()
    assert not opens(admin, old)
    assert opens(admin, new)


def test_rotation_keeps_the_lifetime_and_never_prolongs_the_old_key(admin: TestClient) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=10)
    old = create(admin, expires_at=soon.isoformat())
    new = admin.post(f"{API}/api-keys/{old['id']}:rotate").json()
    assert datetime.fromisoformat(admin.get(f"{API}/api-keys/{old['id']}").json()["expires_at"]) == soon
    lifetime = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(lifetime - timedelta(minutes=10)) < timedelta(minutes=1)


def test_a_key_is_rotated_once_and_only_while_it_lives(admin: TestClient) -> None:
    old = create(admin)
    new = admin.post(f"{API}/api-keys/{old['id']}:rotate").json()
    again = admin.post(f"{API}/api-keys/{old['id']}:rotate")
    assert str(new["id"]) in assert_problem(again, 409, "conflict")["hint"]
    admin.post(f"{API}/api-keys/{new['id']}:revoke")
    assert_problem(admin.post(f"{API}/api-keys/{new['id']}:rotate"), 409, "conflict")


def test_the_last_use_is_written_at_most_once_a_minute(
    admin: TestClient, store: sessionmaker[Session]
) -> None:
    made = create(admin)
    assert made["last_used_at"] is None
    assert opens(admin, made)

    def last_use() -> datetime:
        with unit_of_work(store) as session:
            return session.get_one(ApiKey, made["id"]).last_used_at

    first = last_use()
    assert first is not None
    admin.app.state.authenticator.forget()
    assert opens(admin, made)
    assert last_use() == first
    with unit_of_work(store) as session:
        session.get_one(ApiKey, made["id"]).last_used_at = first - timedelta(seconds=61)
    admin.app.state.authenticator.forget()
    assert opens(admin, made)
    assert last_use() > first - timedelta(seconds=61)


def test_what_happens_to_keys_is_audited(admin: TestClient, store: sessionmaker[Session]) -> None:
    made = create(admin)
    admin.post(f"{API}/api-keys/{made['id']}:rotate")
    admin.post(f"{API}/api-keys/{made['id']}:revoke")
    with unit_of_work(store) as session:
        told = [(event.action, event.entity, event.actor) for event in session.query(AuditEvent)]
    assert told == [(action, "api_key", "api-key") for action in ("create", "create", "rotate", "revoke")]


def test_who_is_limited_to_campaigns_creates_neither_campaigns_nor_keys(
    admin: TestClient, new_key: Keys
) -> None:
    limited = new_key(campaign_ids=frozenset({create_campaign(admin)}))
    refused = admin.post(f"{API}/api-keys", json={"name": "x", "scopes": ["read"]}, headers=limited)
    assert "limited to some campaigns" in assert_problem(refused, 403, "forbidden")["detail"]
    refused = admin.post(f"{API}/campaigns", json=campaign_document(), headers=limited)
    assert "limited to campaigns" in assert_problem(refused, 403, "forbidden")["detail"]


def test_a_wrong_key_is_not_remembered_and_a_right_one_is(
    admin: TestClient, store: sessionmaker[Session]
) -> None:
    made = create(admin)
    asked: list[str] = []
    original = repository.live_key

    def counted(session: Session, token_hash: str) -> ApiKey | None:
        asked.append(token_hash)
        return original(session, token_hash)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repository, "live_key", counted)
        for _ in range(3):
            assert opens(admin, made)
        assert len(asked) == 1
        for _ in range(2):
            assert not opens(admin, {"key": made["key"] + "x"})
        assert len(asked) == 3
