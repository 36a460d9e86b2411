"""What surrounds every request: ids, hosts, sites, sizes, headers, unexpected errors."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from service.main import create_app
from service.settings import Settings
from tests.support import API, assert_problem, campaign_document, open_client

MIB = 2**20
JSON = {"content-type": "application/json"}


@pytest.fixture
def small(settings: Settings) -> Iterator[TestClient]:
    """An API that takes bodies up to 1 MiB."""
    with open_client(settings.model_copy(update={"max_body_mib": 1, "max_upload_mib": 1})) as running:
        yield running


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 2**16):
        yield b" " * 2**16


def test_each_answer_has_an_id(client: TestClient) -> None:
    first, second = (client.get("/health/live").headers["x-request-id"] for _ in range(2))
    assert len(first) == 32
    assert first != second


def test_a_sane_id_of_the_caller_is_kept(client: TestClient) -> None:
    response = client.get(f"{API}/campaigns/77", headers={"x-request-id": "job-7.a_b"})
    assert assert_problem(response, 404, "not_found")["request_id"] == "job-7.a_b"


@pytest.mark.parametrize("given", ["a b", "x" * 65, "<script>", ""])
def test_any_other_id_is_replaced(client: TestClient, given: str) -> None:
    answered = client.get("/health/live", headers={"x-request-id": given}).headers["x-request-id"]
    assert answered != given
    assert len(answered) == 32


@pytest.mark.parametrize("path", ["/health/live", f"{API}/campaigns/77", "/nothing"])
def test_each_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


def test_what_is_not_confidential_may_be_cached(client: TestClient) -> None:
    assert client.get("/static/dashboard.css").headers["cache-control"].startswith("public")


def test_over_https_browsers_are_told_to_stay_there(application: FastAPI, client: TestClient) -> None:
    secure = TestClient(application, base_url="https://localhost")
    assert secure.get("/health/live").headers["strict-transport-security"] == "max-age=31536000"


def who_asks(request: Request) -> dict[str, str]:
    return {"who": request.client.host, "how": request.url.scheme}


FORWARDED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("trusted", "peer", "is_believed"),
    [
        ([], "127.0.0.1", False),
        (["10.0.0.0/8"], "127.0.0.1", False),
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.1.2.3"], "10.1.2.3", True),
        (["2001:db8::/32"], "2001:db8::1", True),
    ],
)
def test_only_configured_proxies_say_who_asks(
    settings: Settings, trusted: list[str], peer: str, is_believed: bool
) -> None:
    app = create_app(settings.model_copy(update={"trusted_proxies": trusted}))
    app.add_api_route("/who", who_asks)
    with TestClient(app, base_url="http://localhost", client=(peer, 1)) as running:
        response = running.get("/who", headers=FORWARDED)
    who, how = ("203.0.113.9", "https") if is_believed else (peer, "http")
    assert response.json() == {"who": who, "how": how}
    assert ("strict-transport-security" in response.headers) is is_believed


def test_a_client_cannot_write_its_address_before_that_of_the_proxy(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"trusted_proxies": ["10.0.0.0/8"]}))
    app.add_api_route("/who", who_asks)
    with TestClient(app, base_url="http://localhost", client=("10.1.2.3", 1)) as running:
        forged = {"x-forwarded-for": "198.51.100.1, 203.0.113.9, 10.9.9.9"}
        assert running.get("/who", headers=forged).json()["who"] == "203.0.113.9"


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/nothing"), 404, "not_found")


def test_a_wrong_method_is_a_problem(client: TestClient) -> None:
    response = client.delete(f"{API}/campaigns")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize("path", ["/campaigns", "/campaigns/{}/samples", "/campaigns/{}/samples:bulk"])
def test_a_body_that_is_announced_too_large_is_refused(small: TestClient, path: str) -> None:
    campaign_id = small.post(f"{API}/campaigns", json=campaign_document()).json()["id"]
    response = small.post(f"{API}{path.format(campaign_id)}", content=b" " * (MIB + 1), headers=JSON)
    assert "larger than 1 MiB" in assert_problem(response, 413, "too_large")["detail"]


@pytest.mark.parametrize("path", ["/campaigns", "/campaigns/{}/samples:bulk"])
def test_a_body_that_grows_too_large_is_refused(small: TestClient, path: str) -> None:
    campaign_id = small.post(f"{API}/campaigns", json=campaign_document()).json()["id"]
    response = small.post(f"{API}{path.format(campaign_id)}", content=chunks(2 * MIB), headers=JSON)
    assert_problem(response, 413, "too_large")


def test_an_upload_that_is_too_large_is_refused(small: TestClient) -> None:
    form = {"campaign_id": 1, "source": "full_vehicle"}
    response = small.post(f"{API}/uploads", files={"file": ("a.zip", bytes(2 * MIB + 1))}, data=form)
    assert_problem(response, 413, "too_large")


def test_what_is_no_form_is_a_document_also_where_files_may_be_large(small: TestClient) -> None:
    """It would be read into memory; a form of this size goes to disk."""
    response = small.post(f"{API}/uploads", content=b"x" * (MIB + 1), headers=JSON)
    assert_problem(response, 413, "too_large")
    response = small.post(f"{API}/uploads", files={"file": ("a.zip", b"x" * (MIB + 1))})
    assert_problem(response, 422, "invalid_input")


def test_a_body_below_the_limit_passes(small: TestClient) -> None:
    padded = b" " * (MIB // 2)
    response = small.post(f"{API}/campaigns", content=padded, headers=JSON)
    assert_problem(response, 422, "invalid_input")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", ""]
)
def test_a_foreign_host_is_refused(client: TestClient, host: str) -> None:
    problem = assert_problem(client.get("/health/live", headers={"host": host}), 400, "unknown_host")
    assert "CRASHSCOUT_ALLOWED_HOSTS" in problem["hint"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:9"])
def test_an_own_host_passes_with_any_port(client: TestClient, host: str) -> None:
    assert client.get("/health/live", headers={"host": host}).status_code == 200


def test_hosts_are_configured(settings: Settings) -> None:
    with open_client(settings.model_copy(update={"allowed_hosts": ["scout.example", "::1"]})) as client:
        assert client.get("/health/live", headers={"host": "scout.example"}).status_code == 200
        assert client.get("/health/live", headers={"host": "[::1]:8000"}).status_code == 200
        assert client.get("/health/live", headers={"host": "localhost"}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    ],
    ids=str,
)
def test_a_change_from_another_site_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post(f"{API}/campaigns", json=campaign_document(), headers=headers)
    assert_problem(response, 403, "forbidden")
    assert client.get(f"{API}/campaigns", headers=headers).json()["items"] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://localhost"}],
)
def test_a_change_from_the_own_page_or_a_tool_passes(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post(f"{API}/campaigns", json=campaign_document(), headers=headers)
    assert response.status_code == 201


def test_an_unexpected_error_tells_its_request_id_and_nothing_else(settings: Settings) -> None:
    def fail() -> None:
        raise RuntimeError("a secret of ours")

    with open_client(settings) as client:
        client.app.add_api_route(f"{API}/fail", fail)
        response = client.get(f"{API}/fail")
    problem = assert_problem(response, 500, "internal")
    assert "secret" not in response.text
    assert problem["request_id"] in response.headers["x-request-id"]
