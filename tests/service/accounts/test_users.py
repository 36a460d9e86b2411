"""Users: created, changed, deactivated, with passwords that nobody guesses."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.accounts import passwords
from service.errors import InputError
from service.vocabulary import Role, Scope
from tests.service.accounts.conftest import PASSWORD
from tests.support import API, assert_problem, create_campaign

NEW_PASSWORD = "seven green ladders hum"


def create(client: TestClient, **changes: Any) -> dict[str, Any]:
    document = {"name": "B.Kaya@example.com", "role": "engineer", "password": PASSWORD} | changes
    answer = client.post(f"{API}/users", json=document)
    assert answer.status_code == 201, answer.text
    return answer.json()


def signs_in(client: TestClient, name: str, password: str = PASSWORD) -> bool:
    return client.post("/login", data={"name": name, "password": password}).status_code == 303


def test_a_user_is_created_and_read(admin: TestClient) -> None:
    made = create(admin)
    assert (made["name"], made["role"], made["is_active"]) == ("b.kaya@example.com", "engineer", True)
    assert admin.get(f"{API}/users/{made['id']}").json() == made
    assert admin.get(f"{API}/users").json()["items"] == [made]
    assert (made["has_password"], made["issuer"]) == (True, None)
    assert PASSWORD not in str(made)
    assert "argon2" not in str(made)


def test_a_name_is_taken_whatever_its_case(admin: TestClient) -> None:
    create(admin)
    again = {"name": "b.kaya@EXAMPLE.com", "role": "viewer", "password": PASSWORD}
    assert_problem(admin.post(f"{API}/users", json=again), 409, "conflict")


@pytest.mark.parametrize(
    "password", ["short", "a" * 20, "abab" * 5, "b.kaya@example.com1", "x" * 201, "PASSWORD"]
)
def test_a_weak_password_is_refused(admin: TestClient, password: str) -> None:
    document = {"name": "b.kaya@example.com", "role": "viewer", "password": password}
    problem = assert_problem(admin.post(f"{API}/users", json=document), 422, "invalid_input")
    assert [error["pointer"] for error in problem["errors"]] == ["/password"]
    assert password not in str(problem)


@pytest.mark.parametrize("name", ["", "a b", "key:farm", "-x", "a\x00b", "ä"])
def test_a_name_that_could_be_mistaken_is_refused(admin: TestClient, name: str) -> None:
    document = {"name": name, "role": "viewer", "password": PASSWORD}
    assert_problem(admin.post(f"{API}/users", json=document), 422, "invalid_input")


def test_a_hash_is_argon2id_with_its_own_salt() -> None:
    first, second = passwords.hash_password(PASSWORD), passwords.hash_password(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert passwords.fits(PASSWORD, first)
    assert not passwords.fits(PASSWORD + "x", first)
    assert not passwords.fits("the password of nobody", None)


def test_the_rules_are_told() -> None:
    with pytest.raises(InputError, match="12 to 200 characters"):
        passwords.check_new("short", name="x")


def test_roles_add_up() -> None:
    assert Role.VIEWER.scopes == {Scope.READ}
    assert Role.ENGINEER.scopes == {Scope.READ, Scope.WRITE}
    assert Role.APPROVER.scopes == {Scope.READ, Scope.WRITE, Scope.APPROVE}
    assert Role.ADMIN.scopes == set(Scope)


def test_a_changed_role_and_limit_hold_in_open_sessions(
    admin: TestClient, new_user: Callable[..., int]
) -> None:
    campaign = create_campaign(admin)
    user_id, key = new_user(role=Role.VIEWER), admin.headers.pop("authorization")
    assert signs_in(admin, "a.meier")
    assert admin.get(f"{API}/me").json()["scopes"] == ["read"]
    changes = {"role": "approver", "campaign_ids": [campaign]}
    answer = admin.patch(f"{API}/users/{user_id}", json=changes, headers={"authorization": key})
    assert answer.status_code == 200, answer.text
    me = admin.get(f"{API}/me").json()
    assert (me["scopes"], me["campaign_ids"]) == (["read", "write", "approve"], [campaign])
    admin.patch(f"{API}/users/{user_id}", json={"campaign_ids": None}, headers={"authorization": key})
    assert admin.get(f"{API}/me").json()["campaign_ids"] is None
    admin.patch(f"{API}/users/{user_id}", json={"role": "viewer"}, headers={"authorization": key})
    me = admin.get(f"{API}/me").json()
    assert (me["scopes"], me["campaign_ids"]) == (["read"], None)


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": NEW_PASSWORD}])
def test_deactivation_and_a_new_password_end_the_sessions(
    admin: TestClient, new_user: Callable[..., int], change: dict[str, Any]
) -> None:
    user_id, key = new_user(), admin.headers.pop("authorization")
    assert signs_in(admin, "a.meier")
    assert admin.get(f"{API}/me").status_code == 200
    admin.patch(f"{API}/users/{user_id}", json=change, headers={"authorization": key})
    assert admin.get(f"{API}/me").status_code == 401
    assert not signs_in(admin, "a.meier")
    assert signs_in(admin, "a.meier", NEW_PASSWORD) is ("password" in change)


def csrf(client: TestClient) -> dict[str, str]:
    """The header that scripts of our pages read in the page."""
    text = client.get("/campaigns").text
    return {"X-CSRF-Token": text.split("X-CSRF-Token")[1].split("&#34;")[2]}


def test_nobody_takes_their_own_rights(closed: TestClient, new_user: Callable[..., int]) -> None:
    user_id = new_user()
    assert signs_in(closed, "a.meier")
    for change in ({"is_active": False}, {"role": "viewer"}):
        answer = closed.patch(f"{API}/users/{user_id}", json=change, headers=csrf(closed))
        assert_problem(answer, 409, "conflict")
    assert (
        closed.patch(f"{API}/users/{user_id}", json={"role": "admin"}, headers=csrf(closed)).status_code
        == 200
    )


def test_users_change_their_own_password_and_keep_this_session_only(
    closed: TestClient, new_user: Callable[..., int]
) -> None:
    new_user(role=Role.VIEWER)
    assert signs_in(closed, "a.meier")
    other = closed.cookies["crashscout_session"]
    assert signs_in(closed, "a.meier")
    wrong = {"old_password": "not that one", "password": NEW_PASSWORD}
    refused = closed.post(f"{API}/me/password", json=wrong, headers=csrf(closed))
    assert assert_problem(refused, 422, "invalid_input")["errors"][0]["pointer"] == "/old_password"
    right = {"old_password": PASSWORD, "password": NEW_PASSWORD}
    assert closed.post(f"{API}/me/password", json=right, headers=csrf(closed)).status_code == 204
    assert [row["address"] for row in closed.get(f"{API}/me/sessions").json()] == ["testclient"]
    assert closed.get(f"{API}/me").status_code == 200
    closed.cookies.set("crashscout_session", other, domain="localhost.local")
    assert (
        closed.post(f"{API}/me/sessions:end", headers={"cookie": f"crashscout_session={other}"}).status_code
        == 401
    )
    assert signs_in(closed, "a.meier", NEW_PASSWORD)


def test_signing_out_everywhere(closed: TestClient, new_user: Callable[..., int]) -> None:
    new_user()
    assert signs_in(closed, "a.meier")
    assert closed.post(f"{API}/me/sessions:end", headers=csrf(closed)).status_code == 204
    assert closed.get(f"{API}/me").status_code == 401


def test_an_admin_signs_somebody_out(admin: TestClient, new_user: Callable[..., int]) -> None:
    user_id, key = new_user(), admin.headers.pop("authorization")
    assert signs_in(admin, "a.meier")
    ended = admin.post(f"{API}/users/{user_id}/sessions:end", headers={"authorization": key})
    assert ended.status_code == 204
    assert admin.get(f"{API}/me").status_code == 401


def test_a_key_has_neither_password_nor_sessions(admin: TestClient) -> None:
    body = {"old_password": PASSWORD, "password": NEW_PASSWORD}
    assert_problem(admin.post(f"{API}/me/password", json=body), 409, "conflict")
    assert_problem(admin.get(f"{API}/me/sessions"), 409, "conflict")
