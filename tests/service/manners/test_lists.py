"""Every list of the API keeps to the same manners: a limit, a cursor, and a clear no to a wrong one."""

import re

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from tests.service.test_openapi import DOCUMENT, OPERATIONS
from tests.support import API, add_backtest, assert_problem, propose

PAGE = re.compile(r"#/components/schemas/Page_")
LISTS = [
    (path, operation)
    for method, path, operation in OPERATIONS
    if method == "GET" and PAGE.match(str(operation["responses"]["200"].get("content", {}).get(
        "application/json", {}).get("schema", {}).get("$ref", "")))
]  # fmt: skip
# Lists that cannot grow without bound: one entry per attempt, label, or ready-made schema.
WHOLE = {
    "/feature-schemas", "/acquisition-rounds/{round_id}/attempts", "/valuation-runs/{run_id}/attempts",
    "/imports/{run_id}/attempts", "/samples/{sample_id}/label-changes",
    "/recommendations/{recommendation_id}/simulation-runs", "/me/sessions",
}  # fmt: skip


def test_every_list_is_a_page_or_short() -> None:
    arrays = {
        path.removeprefix(API)
        for method, path, operation in OPERATIONS
        if method == "GET"
        and operation["responses"]["200"]
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
        .get("type")
        == "array"
    }
    assert arrays <= WHOLE, "give it PageDep"
    assert len(LISTS) > 15


@pytest.mark.parametrize(("path", "operation"), LISTS, ids=[path for path, _ in LISTS])
def test_every_page_has_cursor_and_bounded_limit(path: str, operation: dict) -> None:
    parameters = {item["name"]: item["schema"] for item in operation["parameters"] if item["in"] == "query"}
    assert "cursor" in parameters
    assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"]) == (1, 1000)
    assert "400" in operation["responses"]


def test_every_page_refuses_a_wrong_cursor_and_limit(
    client: TestClient, sessions: sessionmaker[Session]
) -> None:
    campaign_id = propose(client).campaign_id
    add_backtest(sessions, campaign_id)
    for path, _ in LISTS:
        url = re.sub(r"\{\w+\}", str(campaign_id), path)
        assert_problem(client.get(url, params={"cursor": "nonsense"}), 400, "invalid_cursor")
        for limit in ("0", "1001", "x"):
            problem = assert_problem(client.get(url, params={"limit": limit}), 422, "invalid_input")
            assert problem["errors"][0]["pointer"] == "/query/limit"


ANYWHERE = {"400", "401", "403", "422", "429", "503"}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [item for item in OPERATIONS if item[1].startswith(API)],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_every_answer_of_every_route_is_documented(method: str, path: str, operation: dict) -> None:
    """What the frame around all routes may answer stands at each of them."""
    answers = set(operation["responses"])
    assert answers >= ANYWHERE
    if method != "GET":
        assert {"408", "413"} <= answers
    if method == "POST":
        assert {"409", "422"} <= answers
        assert "Idempotency-Key" in {item["name"] for item in operation["parameters"]}
    assert {"RateLimit", "Retry-After"} <= set(operation["responses"]["429"]["headers"])
    success = [status for status in answers if status < "300"]
    assert all("RateLimit" in operation["responses"][status]["headers"] for status in success)


def test_the_problem_schema_is_the_only_error(client: TestClient) -> None:
    assert "HTTPValidationError" not in DOCUMENT["components"]["schemas"]
