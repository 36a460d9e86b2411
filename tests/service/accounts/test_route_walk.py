"""Each route and method, of the API, the pages and the streams: closed to strangers, to roles, to other campaigns."""

from collections import Counter
from collections.abc import Callable, Iterator

import psycopg
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.vocabulary import Role, Scope
from tests.service.accounts.conftest import PASSWORD
from tests.service.accounts.walking import OPEN, UNSAFE, Foreign, Route, closed_routes, routes_of
from tests.support import create_campaign, psycopg_url

NOWHERE = 10**9
Keys = Callable[..., dict[str, str]]
# A stream that opens never ends; the others also tell of a row that has nothing of the kind yet.
OWN_404 = (
    "/events",
    "/map",
    "/points",
    "/curves",
    "/assessment",
    "/serving-surrogate",
    "/promotion-gate",
    "/map/points",
    "/scores/{token:part}",
)


@pytest.fixture
def foreign(closed: TestClient) -> Iterator[Foreign]:
    with psycopg.connect(psycopg_url(closed.app.state.settings.database_url)) as connection:
        yield Foreign(connection)


@pytest.fixture(scope="module")
def checks() -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    yield counts
    print(f"\nroute walk: {dict(counts)}, {sum(counts.values())} checks")


def routes(client: TestClient) -> list[Route]:
    app: FastAPI = client.app
    return closed_routes(app)


def test_the_walk_sees_the_api_the_pages_and_the_streams(closed: TestClient) -> None:
    paths = {route.path.replace(":part}", "}") for route in routes_of(closed.app)}
    assert {"/api/v1/campaigns/{campaign_id}/events", "/metrics", "/api/v1/openapi.json", "/logout"} <= paths
    documented = closed.app.openapi()["paths"]
    assert set(documented) <= paths
    assert {(route.method, route.path) for route in routes_of(closed.app)} >= OPEN


def test_without_credentials_nothing_opens(closed: TestClient, checks: Counter[str]) -> None:
    for route in routes(closed):
        answer = closed.request(route.method, route.url(1), content=b"{")
        assert answer.status_code == 401, route.name
        checks["401"] += 1


def test_browsers_are_led_to_the_login(closed: TestClient, checks: Counter[str]) -> None:
    for route in routes(closed):
        if route.path.startswith("/api/"):
            continue
        answer = closed.request(route.method, route.url(1), headers={"accept": "text/html"})
        assert answer.status_code == 303, route.name
        assert answer.headers["location"].startswith("/login")
        checks["303 to the login"] += 1


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_what_its_scopes_give_and_no_more(
    closed: TestClient, new_key: Keys, checks: Counter[str], role: Role
) -> None:
    headers = new_key(role.scopes)
    for route in routes(closed):
        answer = route.call(closed, NOWHERE, **headers)
        if route.scope is None or route.scope in role.scopes:
            assert answer.status_code not in {401, 403}, (route.name, answer.text)
            checks["allowed"] += 1
        else:
            assert answer.status_code == 403, (route.name, answer.text)
            checks["403"] += 1


def test_another_campaign_does_not_exist(
    closed: TestClient, new_key: Keys, foreign: Foreign, checks: Counter[str]
) -> None:
    unlimited = new_key()
    own = create_campaign(_with(closed, unlimited))
    del closed.headers["authorization"]
    limited = new_key(campaign_ids=frozenset({own}))
    for route in routes(closed):
        if route.names_campaign:
            row_id = foreign.row(route.collection or "campaigns")
            answer = route.call(closed, row_id, **limited)
            assert answer.status_code == 404, (route.name, answer.status_code, answer.text)
            checks["404"] += 1
            if route.method == "GET" and not route.path.endswith(OWN_404):
                assert route.call(closed, row_id, **unlimited).status_code != 404, route.name
        elif (
            route.scope is Scope.ADMIN and "/audit-events" not in route.path
        ):  # those tell of the own campaigns
            assert route.call(closed, 1, **limited).status_code == 403, route.name
            checks["403 as it concerns all campaigns"] += 1


def test_who_is_limited_to_a_campaign_reads_all_of_it(
    closed: TestClient, new_key: Keys, foreign: Foreign, checks: Counter[str]
) -> None:
    unlimited, limited = new_key(), new_key(campaign_ids=frozenset({foreign.row("campaigns")}))
    reads = [route for route in routes(closed) if route.method == "GET" and route.names_campaign]
    rows = [foreign.row(route.collection or "campaigns") for route in reads]
    for route, row_id in zip(reads, rows, strict=True):
        if route.path.startswith("/api/") and not route.path.endswith(OWN_404):
            same = {"x-request-id": "walk"}
            whole, own = (route.call(closed, row_id, **same, **key) for key in (unlimited, limited))
            assert (own.status_code, own.content) == (whole.status_code, whole.content), route.name
            checks["the same for who is limited to it"] += 1


def test_lists_over_all_campaigns_hold_the_own_ones_only(
    closed: TestClient, new_key: Keys, foreign: Foreign, checks: Counter[str]
) -> None:
    own = create_campaign(_with(closed, new_key()))
    del closed.headers["authorization"]
    other = foreign.row("campaigns")
    limited = new_key(campaign_ids=frozenset({own}))
    listed = closed.get("/api/v1/campaigns", headers=limited).json()["items"]
    assert [campaign["id"] for campaign in listed] == [own]
    page = closed.get("/campaigns", headers=limited).text
    assert f'"/campaigns/{own}"' in page
    assert f'"/campaigns/{other}"' not in page
    assert closed.get("/metrics", headers=limited).status_code == 403
    checks["lists"] += 3


def test_a_session_changes_nothing_without_its_token(
    closed: TestClient, new_user: Callable[..., int], checks: Counter[str]
) -> None:
    new_user()
    signed_in = closed.post("/login", data={"name": "a.meier", "password": PASSWORD})
    assert signed_in.status_code == 303
    for route in routes(closed):
        if route.method in UNSAFE:
            answer = route.call(closed, NOWHERE)
            assert answer.status_code == 403, (route.name, answer.status_code)
            assert "does not belong to this session" in answer.text
            checks["403 without the token"] += 1


def _with(client: TestClient, headers: dict[str, str]) -> TestClient:
    client.headers.update(headers)
    return client
