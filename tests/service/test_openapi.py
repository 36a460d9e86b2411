"""The OpenAPI document, and what it makes testable: every route is closed without a key."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.openapi import render
from service.settings import Settings
from tests.support import API, assert_problem, client_of

COMMITTED = Path(__file__).parents[2] / "openapi.json"
DOCUMENT = json.loads(COMMITTED.read_text())
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
ROUTES = [(method, re.sub(r"\{\w+\}", "1", path)) for method, path, _ in OPERATIONS if path.startswith(API)]
KEY = "k3y-of-the-tests-0123456789"
BEARER = {"authorization": f"Bearer {KEY}"}


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.fixture
def locked(application: FastAPI, settings: Settings) -> Iterator[TestClient]:
    application.state.settings = settings.model_copy(update={"api_key": SecretStr(KEY)})
    with client_of(application) as running:
        yield running


def errors_of(operation: dict[str, Any]) -> dict[str, Any]:
    return {status: answer for status, answer in operation["responses"].items() if status >= "400"}


def test_the_committed_document_is_the_generated_one() -> None:
    assert COMMITTED.read_text() == render(), "run `make openapi` and commit the file"


def test_the_served_document_is_the_committed_one(client: TestClient) -> None:
    assert client.get(f"{API}/openapi.json").json() == DOCUMENT


def test_operation_ids_are_unique_plain_words() -> None:
    counts = Counter(operation["operationId"] for _, _, operation in OPERATIONS)
    assert [name for name, count in counts.items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in counts)


def test_every_operation_says_what_it_does() -> None:
    assert [path for _, path, operation in OPERATIONS if not operation.get("description")] == []


def test_every_error_is_documented_as_a_problem() -> None:
    schema = {"$ref": "#/components/schemas/Problem"}
    for _, path, operation in OPERATIONS:
        for status, answer in errors_of(operation).items():
            assert answer["content"] == {"application/problem+json": {"schema": schema}}, (path, status)


def test_every_route_with_an_id_may_answer_404() -> None:
    assert [
        path for _, path, operation in OPERATIONS if "{" in path and "404" not in errors_of(operation)
    ] == []


def test_request_bodies_carry_examples() -> None:
    for name in ("CampaignCreate", "SampleCreate", "Completion"):
        assert "example" in DOCUMENT["components"]["schemas"][name]


def test_the_api_has_the_routes_of_the_first_part() -> None:
    assert len(ROUTES) > 30


def test_every_route_is_closed_without_the_key(locked: TestClient) -> None:
    for method, path in ROUTES:
        response = locked.request(method, path)
        assert_problem(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"] == 'Basic realm="crashscout", Bearer'


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/csv"])
def test_what_strangers_send_is_not_even_read(locked: TestClient, content_type: str) -> None:
    for path in (path for method, path in ROUTES if method == "POST"):
        response = locked.post(path, content=b"{", headers={"content-type": content_type})
        assert_problem(response, 401, "unauthenticated")


def test_every_route_opens_with_the_key(locked: TestClient) -> None:
    for headers in (BEARER, basic(f"anyone:{KEY}")):
        for method, path in ROUTES:
            assert locked.request(method, path, headers=headers).status_code not in {401, 403}, path


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer wrong", f"Bearer {KEY}x", f"Token {KEY}", KEY, "Basic !!!", "Basic é", "Basic /w=="],
)
def test_any_other_key_is_refused(locked: TestClient, authorization: str) -> None:
    headers = {"authorization": authorization.encode("latin-1")}
    assert_problem(locked.get(f"{API}/campaigns", headers=headers), 401, "unauthenticated")


def test_the_key_as_user_name_is_refused(locked: TestClient) -> None:
    assert_problem(locked.get(f"{API}/campaigns", headers=basic(f"{KEY}:")), 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_needs_no_key(locked: TestClient, path: str) -> None:
    assert locked.get(path).status_code == 200


def test_the_pages_need_the_key_too(locked: TestClient) -> None:
    response = locked.get("/", headers={"accept": "text/html"}, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2F")


def test_the_document_itself_needs_the_key(locked: TestClient) -> None:
    assert_problem(locked.get(f"{API}/openapi.json"), 401, "unauthenticated")
