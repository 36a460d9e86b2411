"""What proves who somebody is reaches neither a log line nor an answer."""

import json
import logging
from collections.abc import Iterator

import pytest
from fastapi import Request
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.logs import JsonLines, TextLines
from service.settings import Settings
from tests.support import API, open_client

KEY = "k3y-of-the-tests-0123456789"
WRONG = "wr0ng-key-of-somebody-else"
SECRETS = {
    "key": KEY,
    "wrong key": WRONG,
    "cookie": "c00kie-of-the-browser",
    "query": "qu3ry-secret-of-a-client",
    "form": "f0rm-secret-of-a-client",
    "url": "url-passw0rd",
}
QUERY = f"?api_key={SECRETS['query']}&token={SECRETS['query']}"


class Collector(logging.Handler):
    """Every line of every logger, as the service formats it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(logging.DEBUG)
        self.formatters = [JsonLines(settings.secrets()), TextLines(settings.secrets())]
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [formatter.format(record) for formatter in self.formatters]


@pytest.fixture
def locked(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_key": SecretStr(KEY)})


@pytest.fixture
def collector(locked: Settings) -> Iterator[Collector]:
    handler, root = Collector(locked), logging.getLogger()
    level, root.level = root.level, logging.DEBUG
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def api(locked: Settings) -> Iterator[TestClient]:
    def fail(request: Request) -> None:
        """What a careless developer might write."""
        shown = dict(request.headers)
        raise RuntimeError(f"failed for {shown} at {request.url} on postgres://u:{SECRETS['url']}@db/x")

    with open_client(locked) as running:
        running.app.add_api_route("/fail", fail)
        yield running


def requests(api: TestClient) -> Iterator[tuple[str, str]]:
    """Answers to requests that are full of secrets, and go wrong in each way there is."""
    cookie = {"cookie": f"session={SECRETS['cookie']}"}
    right = {"authorization": f"Bearer {KEY}", **cookie}
    wrong = {"authorization": f"Bearer {WRONG}", **cookie}
    body = {"name": "x", "password": SECRETS["form"], "feature_schema": {"token": SECRETS["form"]}}
    for method, path, headers, document in [
        ("GET", f"{API}/campaigns{QUERY}", right, None),
        ("GET", f"{API}/campaigns{QUERY}", wrong, None),
        ("GET", f"{API}/campaigns/77{QUERY}", right, None),
        ("GET", f"{API}/nothing{QUERY}", right, None),
        ("POST", f"{API}/campaigns{QUERY}", right, body),
        ("POST", f"{API}/campaigns/99999999999999999999/rounds{QUERY}", right, body),
        ("GET", f"/fail{QUERY}", right, None),
        ("GET", f"/fail{QUERY}", {**right, "accept": "text/html"}, None),
    ]:
        response = api.request(method, path, headers=headers, json=document)
        yield f"{method} {path}", response.text + json.dumps(dict(response.headers))


def test_no_secret_reaches_a_line_or_an_answer(api: TestClient, collector: Collector) -> None:
    for request, answer in requests(api):
        assert {name for name, secret in SECRETS.items() if secret in answer} == set(), request
    # The client of the tests writes lines of its own, with the address that it asks for.
    lines = "\n".join(line for line in collector.lines if "HTTP Request" not in line)
    assert "failed for" in lines  # the careless line is there
    assert {name for name, secret in SECRETS.items() if secret in lines} == set()


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer s3cr3t-abcdef",
        "{'authorization': 'Basic czNjcjN0LWFiY2RlZg=='}",
        "GET /x?api_key=s3cr3t-abcdef&limit=3",
        "GET /x?limit=3&access_token=s3cr3t-abcdef HTTP/1.1",
        '{"client_secret": "s3cr3t-abcdef"}',
        "password=s3cr3t-abcdef",
        "Set-Cookie: s3cr3t-abcdef; HttpOnly",
        "redis://:s3cr3t-abcdef@host/0",
    ],
)
def test_what_looks_like_a_secret_is_hidden(line: str) -> None:
    shown = JsonLines([]).hide(line)
    assert "s3cr3t" not in shown
    assert "czNjcjN0" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/v1/campaigns/7 200 in 12 ms",
        "the token of round 7 was lost: basic check failed",
        "Secrets never reach a line",
        "password: see docs/accounts.md"[:8],
    ],
)
def test_other_words_stay(line: str) -> None:
    assert JsonLines([]).hide(line) == line


def test_an_error_of_the_database_does_not_show_what_was_sent(api: TestClient, collector: Collector) -> None:
    """A webhook's secret is a parameter of its INSERT; a name of NULs makes that fail."""
    engine = api.app.state.engine
    with engine.connect() as connection, pytest.raises(Exception, match="parameters hidden"):
        connection.exec_driver_sql("SELECT 1 / (%(secret)s = 'x')::int", {"secret": SECRETS["form"]})
