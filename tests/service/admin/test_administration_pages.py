"""Users, keys and the audit log: what is made, changed, shown once, and who sees it."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.accounts import service as accounts
from service.accounts.schemas import UserCreate
from service.admin import shown_once
from service.database.engine import unit_of_work
from service.database.models import ApiKey, User
from service.vocabulary import Role
from tests.service.admin.html import flash_after, soup_of, text_of
from tests.service.admin.rows import Rows

PASSWORD = "chalk otter sleeps twice"
USER = {"name": "A.Meier", "role": "engineer", "password": PASSWORD}


def the_user(store: sessionmaker[Session], name: str = "a.meier") -> User:
    with store() as session:
        return session.query(User).filter_by(name=name).one()


def the_key(store: sessionmaker[Session], name: str = "farm") -> ApiKey:
    with store() as session:
        return session.query(ApiKey).filter_by(name=name, replaces_id=None).one()


@pytest.fixture
def member(dashboard: TestClient, store: sessionmaker[Session]) -> int:
    """A user who is there; the dashboard stays open to its own machine by the session that signs in."""
    with unit_of_work(store) as session:
        for name, role in (("root", Role.ADMIN), ("a.meier", Role.ENGINEER)):
            accounts.create_user(session, UserCreate(name=name, role=role, password=PASSWORD), actor="test")
    dashboard.app.state.authenticator.forget()
    assert dashboard.post("/login", data={"name": "root", "password": PASSWORD}).status_code == 303
    return the_user(store).id


def with_token(client: TestClient, page: str, form: dict[str, str] | None = None) -> dict[str, str]:
    token = soup_of(client, page).select_one("input[name=csrf_token]")["value"]
    return {"csrf_token": token, **(form or {})}


def test_no_users_says_what_to_do(dashboard: TestClient) -> None:
    assert "Add yourself first, with the role admin" in text_of(soup_of(dashboard, "/users").main)


def test_add_a_user_who_then_signs_in(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    answer = dashboard.post("/users", data=USER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/users")
    user = the_user(store)
    assert (user.role, user.campaign_ids, user.created_by) == (Role.ENGINEER, None, "local")
    # From the first user on everybody signs in: the change holds at once.
    assert dashboard.get("/users").headers["location"].startswith("/login")
    signed_in = dashboard.post("/login", data={"name": "a.meier", "password": PASSWORD})
    assert signed_in.status_code == 303


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (USER | {"password": "short"}, "password"),
        (USER | {"name": "no blanks"}, "name: "),
        (USER | {"role": "king"}, "role: "),
        (USER | {"campaign_ids": "x"}, "campaign"),
        (USER | {"campaign_ids": "999"}, "names what is no campaign: 999"),
    ],
)
def test_a_refused_user_comes_back_without_the_password(
    dashboard: TestClient, store: sessionmaker[Session], form: dict[str, str], told: str
) -> None:
    answer = dashboard.post("/users", data=form)
    assert answer.status_code == 422
    assert told in answer.text
    assert f'value="{form["name"]}"' in answer.text
    assert PASSWORD not in answer.text
    with store() as session:
        assert session.query(User).count() == 0


def test_change_a_user(dashboard: TestClient, store: sessionmaker[Session], rows: Rows, member: int) -> None:
    url = f"/users/{member}/change"
    form = {"role": "approver", "campaign_ids": str(rows.campaign_id), "password": ""}
    address, kind, text = flash_after(dashboard, url, with_token(dashboard, "/users", form))
    assert (address, kind) == ("/users", "ok")
    assert text == f"a.meier is changed: approver, only {rows.campaign_id}."
    row = soup_of(dashboard, "/users").select_one(f"#user-{member}")
    assert f"only {rows.campaign_id}" in text_of(row)
    assert "password" in text_of(row)
    assert "OpenID" not in text_of(row)
    flash_after(dashboard, url, with_token(dashboard, "/users", {"role": "viewer", "campaign_ids": ""}))
    user = the_user(store)
    assert (user.role, user.campaign_ids) == (Role.VIEWER, None)


def test_deactivate_and_activate(dashboard: TestClient, store: sessionmaker[Session], member: int) -> None:
    soup = soup_of(dashboard, "/users")
    dialog = soup.select_one(f"#off-{member}")
    assert "Deactivate a.meier?" in text_of(dialog)
    assert soup.select_one(f"#user-{the_user(store, 'root').id} .danger") is None  # nobody ends themselves
    flash_after(dashboard, dialog.form["action"], with_token(dashboard, "/users"))
    assert not the_user(store).is_active
    row = soup_of(dashboard, "/users").select_one(f"#user-{member}")
    assert "deactivated" in text_of(row)
    flash_after(dashboard, row.form["action"], with_token(dashboard, "/users"))
    assert the_user(store).is_active


def test_sign_out_everywhere(dashboard: TestClient, member: int) -> None:
    _, kind, text = flash_after(dashboard, f"/users/{member}/end-sessions", with_token(dashboard, "/users"))
    assert (kind, text) == ("ok", "a.meier is signed out everywhere.")


def test_own_role_cannot_be_taken(dashboard: TestClient, store: sessionmaker[Session], member: int) -> None:
    assert member
    url = f"/users/{the_user(store, 'root').id}/change"
    _, kind, text = flash_after(dashboard, url, with_token(dashboard, "/users", {"role": "viewer"}))
    assert (kind, text.partition(".")[0]) == (
        "error",
        "Nobody changes their own role or deactivates themselves",
    )


def test_a_new_key_works_and_is_shown_once(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    form = {"name": "farm", "scopes": ["read", "write"], "days": "30"}
    answer = dashboard.post("/api-keys", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/api-keys")
    shown = soup_of(dashboard, "/api-keys").select_one(".secret input")["value"]
    assert shown.startswith("crs_")
    me = dashboard.get("/api/v1/me", headers={"authorization": f"Bearer {shown}"}).json()
    assert (me["name"], me["scopes"]) == ("key:farm", ["read", "write"])
    assert soup_of(dashboard, "/api-keys").select_one(".secret") is None
    key = the_key(store)
    assert key.expires_at is not None
    assert 29 < (key.expires_at - datetime.now(UTC)).total_seconds() / 86400 <= 30


def test_the_shown_key_goes_to_no_other_page(dashboard: TestClient) -> None:
    answer = dashboard.post("/api-keys", data={"name": "farm", "scopes": "read"})
    cookie = next(
        text for text in answer.headers.get_list("set-cookie") if text.startswith(shown_once.COOKIE)
    ).lower()
    assert {"httponly", "path=/api-keys", "samesite=strict"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": "farm"}, "scopes: "),
        ({"name": "farm", "scopes": "everything"}, "scopes"),
        ({"name": "farm", "scopes": "read", "days": "0"}, "days: expects a whole number"),
        ({"name": "farm", "scopes": "read", "days": "1e9"}, "days: expects a whole number"),
    ],
)
def test_a_refused_key_comes_back(
    dashboard: TestClient, store: sessionmaker[Session], form: dict[str, str], told: str
) -> None:
    answer = dashboard.post("/api-keys", data=form)
    assert answer.status_code == 422
    assert told in answer.text
    assert 'value="farm"' in answer.text
    with store() as session:
        assert session.query(ApiKey).count() == 0


def test_rotate_and_revoke(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    dashboard.post("/api-keys", data={"name": "farm", "scopes": "read"})
    key = the_key(store)
    soup_of(dashboard, "/api-keys")
    dialog = soup_of(dashboard, "/api-keys").select_one(f"#revoke-{key.id}")
    assert dialog.select_one("[data-must-equal]")["data-must-equal"] == "farm"
    answer = dashboard.post(f"/api-keys/{key.id}/rotate", data={"overlap_hours": "2"})
    assert answer.status_code == 303
    following = soup_of(dashboard, "/api-keys")
    assert following.select_one(".secret input")["value"].startswith("crs_")
    assert f"follows key {key.id}" in text_of(following.main)
    _, kind, _ = flash_after(dashboard, dialog.form["action"])
    assert kind == "ok"
    row = soup_of(dashboard, "/api-keys").select_one(f"#key-{key.id}")
    assert "revoked" in text_of(row)
    assert row.select("button") == []


def test_rotating_with_a_wrong_overlap_changes_nothing(
    dashboard: TestClient, store: sessionmaker[Session]
) -> None:
    dashboard.post("/api-keys", data={"name": "farm", "scopes": "read"})
    answer = dashboard.post(f"/api-keys/{the_key(store).id}/rotate", data={"overlap_hours": "-1"})
    assert answer.status_code == 422
    assert "overlap hours: " in answer.text
    with store() as session:
        assert session.query(ApiKey).count() == 1


def test_audit_shows_who_did_what(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    dashboard.post("/api-keys", data={"name": "farm", "scopes": "read"})
    dashboard.post(f"/api-keys/{the_key(store).id}/revoke")
    table = soup_of(dashboard, "/audit").select("tbody tr")
    assert [text_of(row.select("td")[2]).split()[0] for row in table] == ["revoke", "create"]
    assert "farm" in text_of(table[1].select_one(".changes"))
    assert "local" in text_of(table[1])
    filtered = soup_of(dashboard, "/audit?action=create&actor=local")
    assert len(filtered.select("tbody tr")) == 1
    exports = [link["href"] for link in filtered.select("form small a")]
    text = dashboard.get(exports[0]).text
    assert text.count("\n") == 1
    assert '"action":"create"' in text


def test_audit_days_are_both_included(dashboard: TestClient) -> None:
    dashboard.post("/api-keys", data={"name": "farm", "scopes": "read"})
    today = datetime.now(UTC).date().isoformat()
    shown = soup_of(dashboard, f"/audit?from={today}&until={today}")
    assert len(shown.select("tbody tr")) == 1
    assert f"from={today}T00" in shown.select_one("form small a")["href"]
    assert "Nothing fits these filters" in text_of(soup_of(dashboard, "/audit?until=2001-01-01").main)


@pytest.mark.parametrize(
    "query", ["campaign_id=x", "entity_id=-1", "from=never", "until=9999-12-31", f"actor={'x' * 300}"]
)
def test_a_filter_that_cannot_be_filters_nothing(dashboard: TestClient, query: str) -> None:
    dashboard.post("/api-keys", data={"name": "farm", "scopes": "read"})
    soup = soup_of(dashboard, f"/audit?{query}")
    assert len(soup.select("tbody tr")) == 1
    assert all(not field.get("value") for field in soup.select("form[method=get] input"))


def test_audit_goes_on_to_older_pages(dashboard: TestClient, store: sessionmaker[Session]) -> None:
    for number in range(51):
        dashboard.post("/api-keys", data={"name": f"tool {number}", "scopes": "read"})
    soup = soup_of(dashboard, "/audit?action=create")
    assert len(soup.select("tbody tr")) == 50
    older = soup.select_one("nav.pager a")["href"]
    assert "action=create" in older
    assert "tool 0" in text_of(soup_of(dashboard, older).tbody)
