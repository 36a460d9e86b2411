"""The login page, sessions, lock-out, tokens of forms."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.accounts import passwords
from service.accounts.login import FREE_PER_ADDRESS, FREE_PER_USER, wait_after
from service.admin.pages.login import own_path
from service.admin.templates_env import HERE, environment
from service.credentials import COOKIE
from service.database.engine import unit_of_work
from service.database.models import LoginAttempts, UserSession
from service.settings import Settings
from service.vocabulary import Role
from tests.service.accounts.conftest import PASSWORD
from tests.service.admin.html import soup_of
from tests.service.admin.rows import Rows, add_campaign
from tests.support import API, open_client

NewUser = Callable[..., int]


def sign_in(
    client: TestClient, name: str = "a.meier", password: str = PASSWORD, **more: str
) -> httpx.Response:
    return client.post("/login", data={"name": name, "password": password} | more)


@pytest.fixture
def user(new_user: NewUser) -> int:
    return new_user()


@pytest.fixture
def rows(store: sessionmaker[Session]) -> Rows:
    return add_campaign(store)


@pytest.mark.usefixtures("user")
def test_a_sign_in_leads_back_and_shows_who_it_is(closed: TestClient) -> None:
    page = soup_of(closed, "/login?next=/campaigns%3Fbefore%3D7")
    assert page.select_one("input[name=next]")["value"] == "/campaigns?before=7"
    answer = sign_in(closed, "A.Meier ", next="/campaigns?before=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/campaigns?before=7")
    assert "a.meier" in soup_of(closed, "/campaigns").select_one(".account").text
    assert closed.get("/login?next=/campaigns").headers["location"] == "/campaigns"


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_kept_from_scripts_and_other_sites(closed: TestClient, scheme: str) -> None:
    answer = closed.post(f"{scheme}://localhost/login", data={"name": "a.meier", "password": PASSWORD})
    cookie = next(text for text in answer.headers.get_list("set-cookie") if text.startswith(COOKIE))
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert ("secure" in attributes) is (scheme == "https")


@pytest.mark.usefixtures("user")
def test_each_sign_in_gives_a_new_session_and_only_its_hash_is_kept(
    closed: TestClient, store: sessionmaker[Session]
) -> None:
    closed.cookies.set(COOKIE, "chosen by somebody else")
    tokens = []
    for _ in range(2):
        tokens.append(sign_in(closed).cookies[COOKIE])
    assert len({*tokens, "chosen by somebody else"}) == 3
    with unit_of_work(store) as session:
        hashes = [row.token_hash for row in session.query(UserSession)]
    assert len(set(hashes)) == 2
    assert not set(hashes) & set(tokens)


@pytest.mark.usefixtures("user")
def test_signing_out_ends_the_session_itself(closed: TestClient) -> None:
    token = sign_in(closed).cookies[COOKIE]
    form = soup_of(closed, "/campaigns").select_one("form[action='/logout']")
    field = form.select_one("input[name=csrf_token]")
    answer = closed.post("/logout", data={field["name"]: field["value"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert closed.get(f"{API}/me", headers={"cookie": f"{COOKIE}={token}"}).status_code == 401


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize(
    ("column", "hours"), [("seen_at", -12.01), ("expires_at", -0.01), ("ended_at", -0.01)]
)
def test_a_session_ends_idle_or_old_or_ended(
    closed: TestClient, store: sessionmaker[Session], column: str, hours: float
) -> None:
    sign_in(closed)
    assert closed.get(f"{API}/me").status_code == 200
    with unit_of_work(store) as session:
        setattr(session.query(UserSession).one(), column, datetime.now(UTC) + timedelta(hours=hours))
    closed.app.state.authenticator.forget()
    assert closed.get(f"{API}/me").status_code == 401


@pytest.mark.usefixtures("user")
def test_nobody_learns_which_names_exist(closed: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str | None] = []
    original = passwords.fits

    def watched(password: str, password_hash: str | None) -> bool:
        verified.append(password_hash)
        return original(password, password_hash)

    monkeypatch.setattr(passwords, "fits", watched)
    answers = [sign_in(closed, name, "wrong") for name in ("a.meier", "nobody")]
    assert [answer.status_code for answer in answers] == [401, 401]
    texts = [answer.text.replace("nobody", "a.meier") for answer in answers]
    assert texts[0] == texts[1]
    assert "Name or password is wrong." in texts[0]
    assert "wrong" not in closed.get("/login").text
    # Both cost one argon2: time tells nothing either.
    assert len(verified) == 2
    assert verified[1] is None


def last_wait(store: sessionmaker[Session], subject: str) -> timedelta:
    with unit_of_work(store) as session:
        row = session.query(LoginAttempts).filter_by(subject=subject).one()
        return row.blocked_until - row.tried_at


def block(store: sessionmaker[Session], subject: str) -> None:
    """Stretch the wait to an hour: the tests are slower than a second."""
    with unit_of_work(store) as session:
        row = session.query(LoginAttempts).filter_by(subject=subject).one()
        row.blocked_until = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("name", ["a.meier", "nobody"])
def test_wrong_passwords_lock_out_for_longer_and_longer(
    closed: TestClient, store: sessionmaker[Session], user: int, name: str
) -> None:
    for _ in range(FREE_PER_USER):
        assert sign_in(closed, name, "wrong").status_code == 401
    assert last_wait(store, f"user:{name}") == timedelta(seconds=1)
    block(store, f"user:{name}")
    refused = sign_in(closed, name, PASSWORD)
    assert refused.status_code == 429
    assert 3000 < int(refused.headers["retry-after"]) <= 3601
    assert "Too many attempts." in refused.text
    with unit_of_work(store) as session:
        row = session.query(LoginAttempts).filter_by(subject=f"user:{name}").one()
        assert row.count == FREE_PER_USER, "what is refused unseen does not prolong the wait"
        row.blocked_until = datetime.now(UTC) - timedelta(minutes=1)
    right = sign_in(closed, name, PASSWORD)
    assert right.status_code == (303 if name == "a.meier" else 401)


@pytest.mark.usefixtures("user")
def test_a_right_password_forgets_the_wrong_ones(closed: TestClient, store: sessionmaker[Session]) -> None:
    for _ in range(FREE_PER_USER - 1):
        sign_in(closed, password="wrong")
    assert sign_in(closed).status_code == 303
    with unit_of_work(store) as session:
        counts = {row.subject: row.count for row in session.query(LoginAttempts)}
    assert counts == {"address:testclient": FREE_PER_USER - 1}


@pytest.mark.usefixtures("user")
def test_another_process_knows_of_the_lock_out(
    closed: TestClient, closed_settings: Settings, store: sessionmaker[Session]
) -> None:
    sign_in(closed, password="wrong")
    block(store, "user:a.meier")
    with open_client(closed_settings) as elsewhere:
        assert sign_in(elsewhere).status_code == 429


@pytest.mark.usefixtures("user")
def test_one_address_does_not_try_many_names(closed: TestClient, store: sessionmaker[Session]) -> None:
    sign_in(closed, "nobody", "wrong")
    with unit_of_work(store) as session:
        row = session.query(LoginAttempts).filter_by(subject="address:testclient").one()
        row.count = FREE_PER_ADDRESS - 1
    sign_in(closed, "somebody", "wrong")
    assert last_wait(store, "address:testclient") == timedelta(seconds=1)
    block(store, "address:testclient")
    assert sign_in(closed).status_code == 429


def test_the_wait_doubles_to_a_quarter_of_an_hour() -> None:
    waits = [wait_after(count, free=5) for count in range(20)]
    assert waits[:9] == [0, 0, 0, 0, 0, 1, 2, 4, 8]
    assert waits[-1] == wait_after(10**6, free=5) == 900


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/login", "/logout",
        "/a\nb", "/" + "a" * 600,
    ],
)  # fmt: skip
def test_the_way_back_leads_nowhere_else(url: str) -> None:
    assert own_path(url) == "/campaigns"


def test_a_deactivated_user_cannot_sign_in(closed: TestClient, new_user: NewUser, admin: TestClient) -> None:
    user_id = new_user()
    admin.patch(f"{API}/users/{user_id}", json={"is_active": False})
    assert sign_in(closed).status_code == 401


FIELD = "{{ csrf_field() }}"


def with_tokens(source: str) -> str:
    return environment().preprocess(source)


def test_each_form_of_each_template_gets_the_token() -> None:
    forms = 0
    for path in (HERE / "templates").glob("**/*.html"):
        source = path.read_text()
        posts = len(re.findall(r"""method\s*=\s*["']?post""", source, re.IGNORECASE))
        assert with_tokens(source).count(FIELD) == posts, (
            f"{path.name}: a form that the token does not follow"
        )
        forms += posts
    assert forms >= 7


@pytest.mark.parametrize(
    "tag",
    [
        """<form method='post' action='{{ "a>b" }}'>""",
        """<form class="x"\n  {% if a > b %}hidden{% endif %} method="post" action="/x">""",
        "<FORM METHOD=POST ACTION='/x'>",
    ],
)
def test_a_form_may_hold_expressions_in_its_tag(tag: str) -> None:
    guarded = with_tokens(f"<p>{tag}<b></form>")
    assert guarded.startswith("<p>{% if may_post(")
    assert guarded.endswith(f" %}}{tag}{FIELD}<b></form>{{% endif %}}")


@pytest.mark.parametrize(
    "tag", ["<form method='get'><input name='a' value=' method=post'>", "<form>", "<formula>"]
)
def test_a_form_that_changes_nothing_gets_none(tag: str) -> None:
    assert with_tokens(tag) == tag


@pytest.mark.usefixtures("user")
def test_a_form_with_its_token_changes_something_and_no_other_does(closed: TestClient, rows: Rows) -> None:
    sign_in(closed)
    page = soup_of(closed, f"/recommendations/{rows.recommendation_ids[0]}")
    form = page.select_one(f"form[action='/recommendations/{rows.recommendation_ids[0]}/approve']")
    fields = {field["name"]: field.get("value", "") for field in form.select("input[name]")}
    token = fields.pop("csrf_token")
    for wrong in (fields, fields | {"csrf_token": token[:-1] + "x"}, fields | {"csrf_token": ""}):
        assert closed.post(form["action"], data=wrong).status_code == 403
    approved = closed.post(form["action"], data=fields | {"csrf_token": token})
    assert approved.status_code == 303
    read = closed.get(f"{API}/recommendations/{rows.recommendation_ids[0]}").json()
    assert (read["status"], read["history"][-1]["actor"]) == ("approved", "a.meier")


@pytest.mark.usefixtures("user")
def test_the_token_of_another_session_does_not_fit(closed: TestClient, rows: Rows) -> None:
    sign_in(closed)
    other = soup_of(closed, "/campaigns").select_one("input[name=csrf_token]")["value"]
    sign_in(closed)
    cancel = f"/valuation-runs/{rows.run_id}/cancel"
    assert closed.post(cancel, data={"csrf_token": other}).status_code == 403


def test_a_viewer_sees_and_does_not_approve(closed: TestClient, new_user: NewUser, rows: Rows) -> None:
    new_user("viewer", Role.VIEWER)
    sign_in(closed, "viewer")
    url = f"/recommendations/{rows.recommendation_ids[0]}"
    page = soup_of(closed, url)
    assert page.select_one(f"form[action='{url}/approve']") is None
    token = page.select_one("[name=csrf_token]")["value"]  # of the form that signs out
    answer = closed.post(f"{url}/approve", data={"csrf_token": token})
    assert answer.status_code == 403
    assert "needs the scope approve" in answer.text


def test_htmx_is_led_to_the_login_as_a_whole_page(closed: TestClient) -> None:
    headers = {"hx-request": "true", "hx-current-url": "http://localhost/campaigns/1/runs?x=1"}
    answer = closed.get("/campaigns/1/runs", headers=headers)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=%2Fcampaigns%2F1%2Fruns")


@pytest.fixture
def local(settings: Settings) -> Iterator[TestClient]:
    """A machine of one's own: no key is configured."""
    with open_client(settings) as client:
        client.follow_redirects = False
        yield client


def test_on_ones_own_machine_the_door_closes_with_the_first_user(local: TestClient) -> None:
    assert local.get(f"{API}/me").json()["name"] == "local"
    assert "crashscout admin create" in local.get("/login").text
    document = {"name": "a.meier", "role": "admin", "password": PASSWORD}
    assert local.post(f"{API}/users", json=document).status_code == 201
    assert local.get(f"{API}/me").status_code == 401
    assert sign_in(local).status_code == 303
    assert local.get(f"{API}/me").json()["name"] == "a.meier"


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
def test_what_a_proxy_passes_on_is_not_from_this_machine(local: TestClient, header: str) -> None:
    assert local.get(f"{API}/me", headers={header: "192.0.2.7"}).status_code == 401


def test_what_comes_in_at_another_address_is_not_from_this_machine(settings: Settings) -> None:
    with open_client(settings.model_copy(update={"allowed_hosts": ["192.0.2.1"]})) as client:
        assert client.get(f"http://192.0.2.1{API}/me").status_code == 401


def test_production_is_never_open(settings: Settings) -> None:
    production = settings.model_copy(update={"environment": "production"})
    with open_client(production) as client:
        assert client.get(f"{API}/me").status_code == 401
