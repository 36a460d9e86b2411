"""Who comes in by the provider, as whom, and what ends with a lost role."""

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.credentials import COOKIE
from service.database.engine import unit_of_work
from service.database.models import AuditEvent, User, UserSession
from service.vocabulary import Role
from tests.oidc_provider import DISCOVERY, OidcProvider
from tests.service.accounts.conftest import PASSWORD
from tests.service.accounts.oidc.conftest import (
    ADMIN,
    Open,
    answer_of,
    assert_refused,
    begin,
    callback,
    sign_in,
)
from tests.service.admin.html import soup_of, text_of
from tests.support import API

NAME = "a.meier@cars.example"


def users(client: TestClient) -> list[User]:
    sessions: sessionmaker[Session] = client.app.state.sessions
    with unit_of_work(sessions) as session:
        found = session.query(User).order_by(User.id).all()
        session.expunge_all()
        return found


def open_sessions(client: TestClient) -> int:
    with unit_of_work(client.app.state.sessions) as session:
        return session.query(UserSession).filter(UserSession.ended_at.is_(None)).count()


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_a_first_sign_in_makes_a_user_with_the_mapped_role(
    browser: TestClient, provider: OidcProvider, kind: str
) -> None:
    provider.rotate(kind)
    answer = sign_in(browser, "/campaigns?before=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/campaigns?before=7")
    me = browser.get(f"{API}/me").json()
    assert (me["name"], me["scopes"]) == (NAME, ["read", "write"])
    (user,) = users(browser)
    assert (user.issuer, user.subject, user.role, user.password_hash) == (
        provider.url, "subject-1", Role.ENGINEER, None,
    )  # fmt: skip
    with unit_of_work(browser.app.state.sessions) as session:
        assert [event.action for event in session.query(AuditEvent).order_by(AuditEvent.id)] == [
            "create", "sign_in",
        ]  # fmt: skip


def test_a_second_sign_in_is_the_same_user_and_discovery_is_remembered(
    browser: TestClient, provider: OidcProvider
) -> None:
    for _ in range(2):
        assert sign_in(browser).status_code == 303
        browser.cookies.clear()
    assert len(users(browser)) == 1
    assert provider.asked.count(DISCOVERY) == 1
    assert provider.asked.count("/jwks") == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookies_are_kept_from_scripts_and_other_sites(browser: TestClient, scheme: str) -> None:
    started = browser.get(f"{scheme}://localhost/login/oidc")
    cookie = started.headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/login/oidc", "max-age=600"} <= attributes
    assert ("secure" in attributes) is (scheme == "https")
    assert (
        answer_of(started.headers["location"])["redirect_uri"] == f"{scheme}://localhost/login/oidc/callback"
    )


def test_the_way_back_leads_to_our_own_pages_alone(browser: TestClient) -> None:
    assert sign_in(browser, "https://evil.example").headers["location"] == "/campaigns"


def test_of_several_roles_the_highest_holds_and_it_follows_the_provider(
    browser: TestClient, provider: OidcProvider
) -> None:
    provider.person["groups"] = ["crash-viewers", "crash-admins", "other"]
    sign_in(browser)
    assert users(browser)[0].role is Role.ADMIN
    provider.person["groups"] = "crash-viewers"
    sign_in(browser)
    assert users(browser)[0].role is Role.VIEWER
    assert browser.get(f"{API}/me").json()["scopes"] == ["read"]


def test_a_role_may_lie_within_another_claim(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_role_claim="realm_access.roles")
    assert_refused(browser, sign_in(browser))
    provider.person["realm_access"] = {"roles": ["crash-viewers"]}
    assert sign_in(browser).status_code == 303


def test_without_a_mapped_role_nobody_comes_in_and_the_page_says_whom_to_ask(
    browser: TestClient, provider: OidcProvider
) -> None:
    for groups in ([], ["staff"], "staff", None, {"crash-admins": True}, ["CRASH-ADMINS"]):
        provider.person["groups"] = groups
        answer = sign_in(browser)
        assert_refused(browser, answer)
        assert "has no role in Crashscout. Ask it-desk@cars.example." in answer.text
    assert users(browser) == []


def test_who_loses_the_role_loses_open_sessions_too(browser: TestClient, provider: OidcProvider) -> None:
    sign_in(browser)
    elsewhere = browser.cookies[COOKIE]
    browser.cookies.clear()
    provider.person["groups"] = []
    assert_refused(browser, sign_in(browser))
    assert open_sessions(browser) == 0
    assert browser.get(f"{API}/me", headers={"cookie": f"{COOKIE}={elsewhere}"}).status_code == 401


def test_a_name_that_another_user_has_is_not_taken_over(browser: TestClient, provider: OidcProvider) -> None:
    document = {"name": NAME, "role": "viewer", "password": PASSWORD}
    assert browser.post(f"{API}/users", json=document, headers=ADMIN).status_code == 201
    answer = sign_in(browser)
    assert_refused(browser, answer)
    assert "another user a.meier@cars.example" in answer.text
    assert [user.subject for user in users(browser)] == [None]


def test_linking_takes_known_users_once_and_makes_none(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_users="link")
    assert_refused(browser, sign_in(browser))
    assert users(browser) == []
    browser.post(f"{API}/users", json={"name": NAME, "role": "viewer", "password": PASSWORD}, headers=ADMIN)
    assert sign_in(browser).status_code == 303
    (user,) = users(browser)
    assert (user.subject, user.role) == ("subject-1", Role.ENGINEER)
    browser.cookies.clear()
    provider.person["sub"] = "subject-2"
    assert_refused(browser, sign_in(browser))
    assert [user.subject for user in users(browser)] == ["subject-1"]


def test_administrators_see_who_is_linked(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_users="link")
    document = {"name": NAME, "role": "admin", "password": PASSWORD}
    made = browser.post(f"{API}/users", json=document, headers=ADMIN).json()
    assert (made["has_password"], made["issuer"]) == (True, None)
    provider.person["groups"] = ["crash-admins"]
    assert sign_in(browser).status_code == 303
    shown = browser.get(f"{API}/users/{made['id']}").json()
    assert (shown["has_password"], shown["issuer"]) == (True, provider.url)
    assert "subject-1" not in str(shown)
    row = soup_of(browser, "/users").select_one(f"#user-{made['id']}")
    assert "password or OpenID at 127.0.0.1" in text_of(row)


def test_who_is_deactivated_here_stays_out(browser: TestClient) -> None:
    sign_in(browser)
    browser.cookies.clear()
    browser.patch(f"{API}/users/{users(browser)[0].id}", json={"is_active": False}, headers=ADMIN)
    answer = sign_in(browser)
    assert_refused(browser, answer)
    assert "is deactivated here" in answer.text


def test_only_verified_addresses_of_the_named_domains(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_email_domains=["cars.example"])
    for email, verified in (
        ("a.meier@cars.example", False),
        ("a.meier@cars.example", None),
        ("a.meier@cars.example", "true"),
        ("a.meier@cars.example.evil.example", True),
        ("a@cars.example@evil.example", True),
        (None, True),
    ):
        provider.person |= {"email": email, "email_verified": verified}
        assert_refused(browser, sign_in(browser))
    provider.person |= {"email": "a.meier@Cars.Example", "email_verified": True}
    assert sign_in(browser).status_code == 303


def test_required_claims_must_have_their_values(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_required_claims={"tid": "tenant-1"})
    for tenant in (None, "tenant-2"):
        provider.person["tid"] = tenant
        assert_refused(browser, sign_in(browser))
    provider.person["tid"] = "tenant-1"
    assert sign_in(browser).status_code == 303


def test_a_name_that_no_user_can_have_is_refused(browser: TestClient, provider: OidcProvider) -> None:
    for name in (None, 7, "", "key:tool", "a b", "x" * 101, "a\x00b"):
        provider.person["preferred_username"] = name
        assert_refused(browser, sign_in(browser))
    assert users(browser) == []


def test_the_address_may_be_the_name_when_it_is_verified(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_name_claim="email")
    provider.person |= {"email": "Other@cars.example", "email_verified": False}
    assert_refused(browser, sign_in(browser))
    provider.person["email_verified"] = True
    assert sign_in(browser).status_code == 303
    assert users(browser)[0].name == "other@cars.example"


def test_a_public_client_and_one_that_posts_its_secret(open_app: Open, provider: OidcProvider) -> None:
    provider.auth_methods = ["client_secret_post"]
    assert sign_in(open_app()).status_code == 303
    provider.client_secret = None
    assert sign_in(open_app(oidc_client_secret=SecretStr(""))).status_code == 303


def test_signing_out_offers_to_leave_the_provider_too(browser: TestClient, provider: OidcProvider) -> None:
    sign_in(browser)
    form = soup_of(browser, "/campaigns").select_one("form[action='/logout']")
    field = form.select_one("input[name=csrf_token]")
    left = browser.post("/logout", data={field["name"]: field["value"]})
    assert open_sessions(browser) == 0
    page = soup_of(browser, left.headers["location"])
    away = browser.get(page.select_one("a[href='/login/oidc/logout']")["href"])
    assert away.headers["location"].startswith(f"{provider.url}/logout?")
    assert answer_of(away.headers["location"])["post_logout_redirect_uri"] == "http://localhost/login"
    assert soup_of(browser, "/login").select_one("a[href='/login/oidc/logout']") is None


def test_the_button_carries_the_way_back(browser: TestClient) -> None:
    button = soup_of(browser, "/login?next=/campaigns%3Fbefore%3D7").select_one("a.provider")
    assert button.text == "Sign in with the car company"
    assert button["href"] == "/login/oidc?next=%2Fcampaigns%3Fbefore%3D7"
    assert callback(browser, **answer_of(begin(browser))).status_code == 303


def test_without_a_provider_there_is_no_button_and_no_route(open_app: Open) -> None:
    browser = open_app(oidc_issuer="")
    assert soup_of(browser, "/login").select_one("a.provider") is None
    for path in ("", "/callback", "/logout"):
        assert browser.get(f"/login/oidc{path}").status_code == 404


def test_passwords_may_be_switched_off(open_app: Open) -> None:
    browser = open_app(password_login=False)
    browser.post(f"{API}/users", json={"name": "root", "role": "admin", "password": PASSWORD}, headers=ADMIN)
    assert soup_of(browser, "/login").select_one("form") is None
    refused = browser.post("/login", data={"name": "root", "password": PASSWORD})
    assert refused.status_code == 403
    assert COOKIE not in browser.cookies
    assert sign_in(browser).status_code == 303


def test_with_a_provider_nobody_is_local(open_app: Open) -> None:
    browser = open_app(api_key=SecretStr(""))
    assert browser.get(f"{API}/me").status_code == 401
