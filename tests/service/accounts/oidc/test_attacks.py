"""What a liar could send in place of the provider's answer, or beside it; nobody comes in by any of it."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.testclient import TestClient

from service.accounts.oidc import flow
from service.accounts.oidc.fetching import MOST_AT_ONCE, places
from service.admin.pages.oidc import COOKIE as ATTEMPT
from service.credentials import COOKIE
from service.database.engine import unit_of_work
from service.database.models import User
from tests.oidc_provider import (
    CLIENT_SECRET,
    DISCOVERY,
    Answer,
    OidcProvider,
    new_key,
    running_provider,
)
from tests.service.accounts.conftest import PASSWORD, SECRET
from tests.service.accounts.oidc.conftest import (
    ADMIN,
    Open,
    answer_of,
    assert_refused,
    begin,
    callback,
    sign_in,
)
from tests.service.admin.html import soup_of
from tests.support import API

Claims = dict[str, Any]
Sign = Callable[[Claims], str]


def assert_nobody(client: TestClient) -> None:
    with unit_of_work(client.app.state.sessions) as session:
        assert session.query(User).count() == 0


def changed(**values: object) -> Callable[[Claims], object]:
    return lambda claims: claims.update(values)


LIES: dict[str, Callable[[Claims], object]] = {
    "another nonce": changed(nonce="0" * 64),
    "no nonce": lambda claims: claims.pop("nonce"),
    "another audience": changed(aud="another client"),
    "no audience": lambda claims: claims.pop("aud"),
    "an empty audience": changed(aud=[]),
    "another issuer": changed(iss="https://evil.example"),
    "no issuer": lambda claims: claims.pop("iss"),
    "expired": changed(exp=int(time.time()) - 3600),
    "no expiry": lambda claims: claims.pop("exp"),
    "an expiry that is none": changed(exp="tomorrow"),
    "from the future": changed(iat=int(time.time()) + 3600),
    "not yet valid": changed(nbf=int(time.time()) + 3600),
    "for another party": changed(azp="another client"),
    "for several, without saying for whom": lambda claims: claims.update(
        aud=[claims["aud"], "another client"]
    ),
    "no subject": lambda claims: claims.pop("sub"),
    "a subject that is a number": changed(sub=7),
    "a subject with NUL": changed(sub="a\x00b"),
    "a subject without end": changed(sub="x" * 256),
}


def test_a_token_that_says_anything_wrong_lets_nobody_in(browser: TestClient, provider: OidcProvider) -> None:
    for name, lie in LIES.items():
        provider.change_claims = lie
        answer = sign_in(browser)
        assert answer.status_code == 403, name
        assert "The id token" in answer.text, name
        assert_refused(browser, answer)
    assert_nobody(browser)
    provider.change_claims = changed(azp="crash scout", aud=["crash scout", "another client"])
    assert sign_in(browser).status_code == 303, "the same, and nothing wrong"


def unsigned(claims: Claims) -> str:
    """alg none (RFC 8725, 2.1)."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def symmetric(provider: OidcProvider, secret: bytes) -> Sign:
    """HS256 under what everybody knows, or what only the client does."""
    key = OctKey.import_key(base64.urlsafe_b64encode(secret).decode())
    header = {"alg": "HS256", "kid": provider.keys[0].kid}
    return lambda claims: jwt.encode(header, claims, key, algorithms=["HS256"])


def forgeries(provider: OidcProvider) -> Iterator[tuple[str, Sign]]:
    public = provider.keys[0].as_pem(private=False)
    yield "alg none", unsigned
    yield "HS256 under the public key", symmetric(provider, public)
    yield "HS256 under the client's secret", symmetric(provider, CLIENT_SECRET.encode())
    stranger = new_key()
    yield "a stranger's key", lambda claims: provider.signed(claims, stranger)
    known = provider.keys[0].kid
    yield "a stranger's key under a known id", lambda claims: provider.signed(claims, stranger, known)
    yield "a known key under a strange id", lambda claims: provider.signed(claims, kid="strange")
    yield "a changed payload", lambda claims: _other_payload(provider.signed(claims), claims)
    yield "no token", lambda claims: "a.b"


def _other_payload(token: str, claims: Claims) -> str:
    head, _, signature = token.split(".")
    payload = json.dumps(claims | {"sub": "somebody else"}).encode()
    return f"{head}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    browser: TestClient, provider: OidcProvider, kind: str
) -> None:
    provider.rotate(kind)
    for name, sign in forgeries(provider):
        provider.sign = sign
        answer = sign_in(browser)
        assert answer.status_code == 403, name
        assert_refused(browser, answer)
    assert_nobody(browser)


def test_keys_rotate_between_two_sign_ins(browser: TestClient, provider: OidcProvider) -> None:
    assert sign_in(browser).status_code == 303
    old = provider.keys[0]
    provider.rotate("RSA")
    provider.keys.append(new_key())
    browser.cookies.clear()
    assert sign_in(browser).status_code == 303
    browser.cookies.clear()
    provider.sign = lambda claims: provider.signed(claims, old)
    assert_refused(browser, sign_in(browser))


def test_an_answer_to_another_browser_or_to_none_is_worth_nothing(
    browser: TestClient, provider: OidcProvider
) -> None:
    victims = begin(browser)
    browser.cookies.clear()
    assert_refused(browser, browser.get(victims))  # no sign-in is under way
    begin(browser)
    assert_refused(browser, browser.get(victims))  # another one is
    attackers = answer_of(begin(browser))
    for state in ("", "0" * 64, attackers["state"][:-1], "ä"):
        begin(browser)
        assert_refused(browser, callback(browser, **attackers | {"state": state}))
    assert "/token" not in provider.asked, "the code was not even tried"
    assert_nobody(browser)


def test_a_changed_or_old_cookie_fits_no_answer(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = begin(browser)
    content = json.loads(base64.urlsafe_b64decode(browser.cookies[ATTEMPT]))
    values = [[content[0], "/campaigns/1", content[2]], [content[0], content[1], content[2] + 9], [], 7]
    texts = [*map(json.dumps, values), '["a", "b", 1' + "0" * 400 + "]", "[" * 12_000, "{"]
    for text in texts:
        cookie = base64.urlsafe_b64encode(text.encode()).decode()
        browser.cookies.clear()
        answer = browser.get(url, headers={"cookie": f"{ATTEMPT}={cookie}"})
        assert_refused(browser, answer)
    monkeypatch.setattr(flow, "LIFE_S", -1)
    assert_refused(browser, sign_in(browser))
    assert_nobody(browser)


def test_an_answer_serves_once(browser: TestClient) -> None:
    url = begin(browser)
    cookie = browser.cookies[ATTEMPT]
    assert browser.get(url).status_code == 303
    assert ATTEMPT not in browser.cookies
    browser.cookies.clear()
    assert_refused(browser, browser.get(url))
    # A thief with both, the address and the cookie: the provider has forgotten the code.
    stolen = browser.get(url, headers={"cookie": f"{ATTEMPT}={cookie}"})
    assert_refused(browser, stolen)
    assert "refuses the code" in stolen.text


def test_a_code_of_another_sign_in_is_refused_by_its_verifier(browser: TestClient) -> None:
    first, second = answer_of(begin(browser)), answer_of(begin(browser))
    assert_refused(browser, callback(browser, **second | {"code": first["code"]}))


def test_an_answer_of_another_provider_is_not_mixed_up(browser: TestClient, provider: OidcProvider) -> None:
    for issuer in ("https://evil.example", ""):
        answer = answer_of(begin(browser)) | {"iss": issuer}
        assert_refused(browser, callback(browser, **answer))
    assert "/token" not in provider.asked


def test_a_provider_that_never_names_itself_is_taken(open_app: Open, provider: OidcProvider) -> None:
    provider.names_itself = False
    browser = open_app()
    assert_refused(browser, callback(browser, **answer_of(begin(browser)) | {"iss": "https://evil.example"}))
    assert sign_in(browser).status_code == 303


def test_what_the_provider_complains_of_is_told_and_escaped(
    browser: TestClient, provider: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    state = answer_of(begin(browser))["state"]
    answer = callback(browser, state=state, error="<script>\nINFO all is well", iss=provider.url)
    assert_refused(browser, answer)
    assert "&lt;script&gt;" in answer.text
    assert "<script>INFO all is well" in caplog.text, "no line of its own"


def test_a_wrong_client_secret_is_told_to_the_log_alone(
    browser: TestClient, provider: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.client_secret = "another"
    answer = sign_in(browser)
    assert_refused(browser, answer, 503)
    assert "invalid_client" not in answer.text
    assert "invalid_client" in caplog.text
    assert CLIENT_SECRET not in caplog.text


HTML = Answer(200, b"<html>", {"Content-Type": "text/html"})


def faults(elsewhere: str) -> dict[str, dict[str, Answer]]:
    moved = Answer(302, b"{}", {"Location": f"{elsewhere}{DISCOVERY}"})
    return {
        "error": {DISCOVERY: Answer(500, b"{}")},
        "no JSON": {DISCOVERY: HTML},
        "a list": {DISCOVERY: Answer(200, b"[]")},
        "moved": {DISCOVERY: moved},
        "too large": {DISCOVERY: Answer(200, b'"' + b"x" * 2**20 + b'"')},
        "no token": {"/token": Answer(200, b"{}")},
        "token moved": {"/token": moved},
        "token error": {"/token": Answer(502, b"<html>")},
        "no keys": {"/jwks": Answer(200, b'{"keys": []}')},
        "keys that are none": {"/jwks": Answer(200, b'{"keys": [7, {"kty": "RSA"}]}')},
        "a secret as key": {"/jwks": Answer(200, b'{"keys": [{"kty": "oct", "k": "AAAA"}]}')},
        "keys moved": {"/jwks": moved},
    }


def documents(elsewhere: str) -> dict[str, dict[str, object]]:
    return {
        "another issuer": {"issuer": "https://evil.example"},
        "token endpoint elsewhere": {"token_endpoint": "https://evil.example/token"},
        "keys elsewhere": {"jwks_uri": elsewhere.replace("127.0.0.1", "localhost") + "/jwks"},
        "cloud metadata": {"jwks_uri": "http://169.254.169.254/latest"},
        "a file": {"jwks_uri": "file:///etc/passwd"},
        "a login page elsewhere": {"authorization_endpoint": "https://evil.example/authorize"},
        "no endpoint": {"token_endpoint": None},
        "HS256 alone": {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        "plain PKCE": {"code_challenge_methods_supported": ["plain"]},
    }


def failing(browser: TestClient) -> httpx.Response:
    """A sign-in that fails at whichever step."""
    browser.app.state.oidc = type(browser.app.state.oidc)(browser.app.state.settings)
    started = browser.get("/login/oidc")
    if started.status_code != 303:
        return started
    return browser.get(httpx.get(started.headers["location"]).headers["location"])


def test_a_broken_provider_keeps_nobody_from_passwords_and_leads_nowhere(
    browser: TestClient, provider: OidcProvider
) -> None:
    with running_provider() as elsewhere:
        for name, fault in faults(elsewhere.url).items():
            provider.faults = fault
            assert_closed_but_for_passwords(browser, failing(browser), name)
        provider.faults = {}
        for name, document in documents(elsewhere.url).items():
            provider.metadata = document
            assert_closed_but_for_passwords(browser, failing(browser), name)
        assert elsewhere.asked == []
    provider.metadata = {}
    assert failing(browser).status_code == 303, "the same, and nothing wrong"


def assert_closed_but_for_passwords(browser: TestClient, answer: httpx.Response, name: str) -> None:
    assert answer.status_code == 503, (name, answer.text)
    assert "cannot be asked at the moment" in answer.text, name
    assert COOKIE not in browser.cookies, name


def test_a_provider_that_is_down_locks_nobody_out(open_app: Open, provider: OidcProvider) -> None:
    browser = open_app(oidc_issuer="http://127.0.0.1:9")
    browser.post(f"{API}/users", json={"name": "root", "role": "admin", "password": PASSWORD}, headers=ADMIN)
    answer = browser.get("/login/oidc")
    assert_refused(browser, answer, 503)
    assert soup_of(browser, "/login").select_one("form input[name=password]") is not None
    assert browser.post("/login", data={"name": "root", "password": PASSWORD}).status_code == 303


def test_a_host_that_the_operator_names_may_hold_endpoints(open_app: Open, provider: OidcProvider) -> None:
    provider.metadata = {"jwks_uri": provider.url.replace("127.0.0.1", "localhost") + "/jwks"}
    assert sign_in(open_app(oidc_endpoint_hosts=["localhost"])).status_code == 303


def test_a_slow_provider_does_not_hold_every_thread(browser: TestClient) -> None:
    for _ in range(MOST_AT_ONCE):
        assert places.acquire(blocking=False)
    try:
        assert_refused(browser, browser.get("/login/oidc"), 503)
    finally:
        places.release(MOST_AT_ONCE)
    assert sign_in(browser).status_code == 303


def test_strangers_cannot_have_the_provider_asked_without_end(open_app: Open) -> None:
    browser = open_app(wrong_keys_per_minute=2)
    assert [browser.get("/login/oidc").status_code for _ in range(3)] == [303, 303, 429]


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    attempt = flow.Attempt("", "", 0.0, "", "", verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert attempt.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_state_nonce_and_verifier_tell_nothing_of_each_other() -> None:
    attempts = [flow.begin(SECRET, "/campaigns") for _ in range(2)]
    secrets = [text for one in attempts for text in (one.cookie, one.state, one.nonce, one.verifier)]
    assert len(set(secrets)) == 8
    assert flow.resume(SECRET, attempts[0].cookie) == attempts[0]
    other = flow.resume("another secret", attempts[0].cookie)
    assert other is not None
    assert not other.fits(attempts[0].state)
