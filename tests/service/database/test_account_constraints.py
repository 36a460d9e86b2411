"""What the database refuses of accounts, whoever writes to it."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation

USER = {"name": "a", "password_hash": "$argon2id$", "role": "viewer", "is_active": True, "created_by": "test"}
KEY = {
    "public_id": "a" * 12, "name": "k", "token_hash": "a" * 64, "scopes": ["read"], "created_by": "test",
}  # fmt: skip
TOMORROW = "2100-01-01T00:00Z"


def user(store: Any, **columns: Any) -> int:
    return store.insert("users", **USER | columns)


def key(store: Any, **columns: Any) -> int:
    return store.insert("api_keys", **KEY | columns)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"name": "A"}, "name_in_lower_case"),
        ({"issuer": "https://idp"}, "identity_whole"),
        ({"subject": "7"}, "identity_whole"),
        ({"password_hash": None}, "can_sign_in"),
        ({"campaign_ids": []}, "limit_names_campaigns"),
        ({"role": "root"}, "ck_users_role"),
    ],
)
def test_users(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with pytest.raises(CheckViolation, match=constraint):
        user(store, **columns)


def test_a_user_of_an_issuer_needs_no_password_and_is_one(store: Any) -> None:
    identity = {"password_hash": None, "issuer": "https://idp", "subject": "7"}
    user(store, **identity)
    with pytest.raises(UniqueViolation, match="issuer_subject"):
        user(store, name="b", **identity)
    with pytest.raises(UniqueViolation, match="uq_users_name"):
        user(store)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"scopes": []}, "has_scopes"),
        ({"scopes": ["read", "root"]}, "scopes_known"),
        ({"campaign_ids": []}, "limit_names_campaigns"),
    ],
)
def test_keys(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with pytest.raises(CheckViolation, match=constraint):
        key(store, **columns)


def test_a_key_is_one_and_has_one_successor(store: Any) -> None:
    first = key(store)
    with pytest.raises(UniqueViolation, match="token_hash"):
        key(store, public_id="b")
    with pytest.raises(UniqueViolation, match="public_id"):
        key(store, token_hash="b")
    key(store, public_id="b", token_hash="b", replaces_id=first)
    with pytest.raises(UniqueViolation, match="replaces_id"):
        key(store, public_id="c", token_hash="c", replaces_id=first)
    with pytest.raises(ForeignKeyViolation):
        key(store, public_id="d", token_hash="d", replaces_id=77)


def test_a_session_belongs_to_a_user_and_goes_with_them(store: Any) -> None:
    columns = {"token_hash": "a", "address": "", "user_agent": "", "expires_at": TOMORROW}
    with pytest.raises(ForeignKeyViolation):
        store.insert("user_sessions", user_id=77, **columns)
    user_id = user(store)
    store.insert("user_sessions", user_id=user_id, **columns)
    with pytest.raises(UniqueViolation, match="token_hash"):
        store.insert("user_sessions", user_id=user_id, **columns)
    store.execute("DELETE FROM users WHERE id = %s", user_id)
    store.insert("user_sessions", user_id=user(store), **columns)


def test_attempts_are_counted_once_and_never_below_zero(store: Any) -> None:
    columns = {"subject": "user:a", "count": 1, "blocked_until": TOMORROW}
    store.insert("login_attempts", **columns)
    with pytest.raises(UniqueViolation, match="subject"):
        store.insert("login_attempts", **columns)
    with pytest.raises(CheckViolation, match="count_not_negative"):
        store.insert("login_attempts", **columns | {"subject": "user:b", "count": -1})
