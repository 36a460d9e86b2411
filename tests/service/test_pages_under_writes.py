"""Pages while other transactions add and change rows: nothing twice, nothing of what was there left out, one order.

Writers are raw SQL on connections of their own, so that real transactions overlap with the reading; a list that has no
writer here fails the last test.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.pagination import encode_cursor
from service.settings import Settings
from tests.service.database.conftest import Store
from tests.support import assert_problem, client_of, psycopg_url

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
PAGED = {
    operation["operationId"]: path
    for path, methods in DOCUMENT["paths"].items()
    for operation in methods.values()
    if "cursor" in {parameter["name"] for parameter in operation.get("parameters", [])}
}
THERE, MOST_ADDED = 17, 60
Add = Callable[[Store, int], int]


@dataclass(frozen=True)
class List:
    """How rows of a list come to be and change.

    Attributes:
        add: insert the row number so and so; its key in the list.
        key: field of an item that identifies it.
        change: SQL that changes a random row; empty where the database lets nobody.
        grows: false for what is written once, with its run.
        query: what else to ask with.
        newest_first: the order of the list.
    """

    add: Add
    key: str = "id"
    change: str = ""
    grows: bool = True
    query: dict[str, str] = field(default_factory=dict)
    newest_first: bool = False

    def sorted(self, keys: Iterable[int]) -> list[int]:
        return sorted(keys, reverse=self.newest_first)

    def lies_behind(self, key: int, cursor: int) -> bool:
        """Whether the key follows in the order; 0 names no row, and everything follows."""
        return not cursor or (key < cursor if self.newest_first else key > cursor)


def of_campaign(table: str, **columns: Any) -> Add:
    return lambda store, number: store.insert(table, campaign_id=store.campaign_id, **columns)


def _recommend(store: Store, number: int) -> int:
    return store.recommend(store.sample(), rank=number + 1)


def _value(store: Store, number: int) -> int:
    return store.value(rank=number + 1)


def _surrogate(store: Store, _: int) -> int:
    own = {"campaign_id": store.campaign_id}
    return store.insert("surrogates", **own, valuation_run_id=store.insert("valuation_runs", **own))


def _upload(store: Store, number: int) -> int:
    return store.insert("uploads", campaign_id=store.campaign_id, sha256=f"{number:064d}")


def _firing(store: Store, number: int) -> int:
    at = f"2027-01-01T{number // 60:02d}:{number % 60:02d}Z"
    place = {"campaign_id": store.campaign_id, "schedule_id": store.schedule_id}
    return store.insert("schedule_firings", **place, due_at=at)


def _delivery(store: Store, number: int) -> int:
    return store.insert("webhook_deliveries", webhook_id=store.webhook_id, event_position=number + 1)


def _rank(store: Store, number: int) -> int:
    store.rank(rank=number + 1)
    return number + 1


def _schedule(store: Store, _: int) -> int:
    trigger = Jsonb({"kind": "cron", "expression": "0 2 * * *"})
    return store.insert("schedules", campaign_id=store.campaign_id, trigger=trigger)


def _pick(store: Store, number: int) -> int:
    columns = {"round_id": store.dry_run_id, "components": Jsonb({"predicted": 26.0, "predicted_std": 0.5})}
    store.insert("previewed_picks", **columns, sample_id=store.sample(), rank=number + 1)
    return number + 1


def _injection(store: Store, _: int) -> int:
    return store.insert("injections", campaign_id=store.campaign_id, sample_id=store.sample())


def _review(store: Store, _: int) -> int:
    place = {"campaign_id": store.campaign_id, "valuation_run_id": store.run_id}
    return store.insert("reviews", **place, sample_id=store.labelled())


def _promotion(store: Store, number: int) -> int:
    place = {"campaign_id": store.campaign_id, "surrogate_id": _surrogate(store, number)}
    return store.insert("surrogate_promotions", **place)


def _user(store: Store, number: int) -> int:
    columns = {"role": "engineer", "password_hash": "x", "is_active": True, "created_by": "test"}
    return store.insert("users", **columns, name=f"user{number}")


def _key(store: Store, number: int) -> int:
    columns = {"name": "farm", "scopes": ["read"], "created_by": "test"}
    return store.insert("api_keys", **columns, public_id=f"{number:016d}", token_hash=f"{number:064d}")


def _touch(table: str, assignment: str) -> str:
    return f"UPDATE {table} SET {assignment} WHERE id = (SELECT id FROM {table} ORDER BY random() LIMIT 1)"


_CLOSED = {"step": "closed", "closed_reason": "completed", "closed_at": "2027-01-01T00:00Z"}
_RUN = "progress = random()"
LISTS: dict[str, List] = {
    "list_campaigns": List(lambda store, _: store.insert("campaigns"), change=_touch("campaigns", "budget = 7")),
    "list_samples": List(lambda store, _: store.sample(), change=_touch("samples", "provenance = '{\"a\": 1}'")),
    "list_uploads": List(_upload, change=_touch("uploads", "attempt = attempt + 1")),
    "list_imports": List(of_campaign("import_runs"), change=_touch("import_runs", _RUN)),
    "list_valuation_runs": List(of_campaign("valuation_runs"), change=_touch("valuation_runs", _RUN)),
    "list_data_values": List(_value, key="sample_id", grows=False),
    "list_surrogates": List(_surrogate),
    "list_backtests": List(of_campaign("backtests"), change=_touch("backtests", _RUN)),
    "list_acquisition_rounds": List(
        lambda store, _: store.insert(
            "acquisition_rounds", campaign_id=store.campaign_id, surrogate_id=store.surrogate_id
        ),
        change=_touch("acquisition_rounds", _RUN),
    ),
    "list_round_recommendations": List(_recommend, change=_touch("recommendations", "is_late = NOT is_late")),
    "list_ranked_candidates": List(_rank, key="rank", grows=False),
    "list_recommendations": List(_recommend, change=_touch("recommendations", "is_late = NOT is_late")),
    "list_replays": List(
        lambda store, _: store.insert("replays", campaign_id=store.campaign_id, round_id=store.round_id),
        change=_touch("replays", _RUN),
    ),
    "list_rounds": List(of_campaign("campaign_rounds", **_CLOSED), change=_touch("campaign_rounds", "detail = 'x'")),
    "list_schedules": List(_schedule, change=_touch("schedules", "name = 'renamed'")),
    "list_schedule_firings": List(_firing),
    "list_webhooks": List(of_campaign("webhooks"), change=_touch("webhooks", "is_active = NOT is_active")),
    "list_webhook_deliveries": List(_delivery, change=_touch("webhook_deliveries", "attempt = attempt + 1")),
    "read_dry_run_preview": List(_pick, key="rank", change=_touch("samples", "provenance = '{\"a\": 1}'")),
    "list_injections": List(
        _injection, change=_touch("injections", "withdrawn_at = now(), withdrawn_by = 'x'")
    ),
    "list_reviews": List(_review),
    "list_surrogate_promotions": List(_promotion),
    "list_users": List(_user, change=_touch("users", "is_active = NOT is_active")),
    "list_api_keys": List(_key, change=_touch("api_keys", "last_used_at = now()")),
    "list_audit_events": List(of_campaign("audit_events"), newest_first=True),
    "list_audit_events, oldest first": List(of_campaign("audit_events"), query={"order": "oldest_first"}),
}  # fmt: skip
# Values of a run are written once: their cursor counts lines.
BY_OFFSET = {"list_data_values"}


class Rows(Store):
    """The store with a schedule and a webhook, each statement a transaction of its own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        super().__init__(connection)
        self.schedule_id = _schedule(self, 0)
        self.webhook_id = self.insert("webhooks", campaign_id=self.campaign_id)
        dry = {"surrogate_id": self.surrogate_id, "dry_run": True, "status": "succeeded", "data_hash": "x"}
        self.dry_run_id = self.insert("acquisition_rounds", campaign_id=self.campaign_id, **dry)

    def path(self, name: str) -> str:
        """Of a list; what follows a comma in its name is said by its query."""
        round_id = self.dry_run_id if name == "read_dry_run_preview" else self.round_id
        ids = {
            "campaign_id": self.campaign_id, "run_id": self.run_id, "round_id": round_id,
            "schedule_id": self.schedule_id, "webhook_id": self.webhook_id,
        }  # fmt: skip
        return PAGED[name.partition(",")[0]].format(**ids)


KEY = "k3y-of-the-tests-0123456789"


@pytest.fixture
def client(application: FastAPI, settings: Settings) -> Iterator[TestClient]:
    """With a key: once there are users, an open door is none any more."""
    application.state.settings = settings.model_copy(update={"api_key": SecretStr(KEY)})
    with client_of(application) as running:
        running.headers["authorization"] = f"Bearer {KEY}"
        yield running


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    with psycopg.connect(psycopg_url(database_url), autocommit=True) as connection:
        yield Rows(connection)


@contextmanager
def writing(rows: Rows, entry: List, numbers: Iterator[int]) -> Iterator[list[int]]:
    """Rows are added and changed in another thread until the reader is done; the keys of what was added."""
    stop = threading.Event()
    added: list[int] = []
    failed: list[psycopg.Error] = []

    def write() -> None:
        try:
            while not stop.is_set():
                if entry.grows and len(added) < MOST_ADDED:
                    added.append(entry.add(rows, next(numbers)))
                if entry.change:
                    rows.execute(entry.change)
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield added
    finally:
        stop.set()
        thread.join()
    assert not failed


def read_all(client: TestClient, path: str, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    query = query | {"limit": limit}
    while True:
        response = client.get(path, params=query)
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        assert len(page["items"]) == limit, "only the last page may be short"
        query["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("name", LISTS)
def test_reading_is_not_disturbed_by_writing(client: TestClient, rows: Rows, name: str) -> None:
    entry, numbers = LISTS[name], count()
    there = [entry.add(rows, next(numbers)) for _ in range(THERE)]
    for limit in (1, 5, 1000):
        with writing(rows, entry, numbers) as added:
            seen = [item[entry.key] for item in read_all(client, rows.path(name), entry.query, limit)]
        assert len(set(seen)) == len(seen), "twice"
        assert set(there) <= set(seen), "left out"
        assert seen == entry.sorted(seen), "out of order"
        there += added


def test_a_page_has_one_to_a_thousand_rows_and_a_cursor_of_ours(client: TestClient, rows: Rows) -> None:
    for name in LISTS:
        for limit in ("0", "1001", "-1", "many"):
            refused = client.get(rows.path(name), params={"limit": limit})
            problem = assert_problem(refused, 422, "invalid_input")
            assert [error["pointer"] for error in problem["errors"]] == ["/query/limit"]
        for limit in ("1", "1000"):
            assert client.get(rows.path(name), params={"limit": limit}).status_code == 200
        for cursor in ("x", "é", "e30", encode_cursor(1)[:-3], encode_cursor(-1)):
            assert_problem(client.get(rows.path(name), params={"cursor": cursor}), 400, "invalid_cursor")


def test_a_cursor_of_another_list_does_no_harm(client: TestClient, rows: Rows) -> None:
    """It names a key, and shows of this list what lies behind that key: never a row of another one, never a fault."""
    numbers = count()
    for name, entry in LISTS.items():
        keys = sorted(entry.add(rows, next(numbers)) for _ in range(3))
        for foreign in (0, keys[0], keys[-1], 2**63 - 1):
            query = entry.query | {"cursor": encode_cursor(foreign)}
            page = client.get(rows.path(name), params=query)
            assert page.status_code == 200, (name, page.text)
            found = [item[entry.key] for item in page.json()["items"]]
            assert found == entry.sorted(found)
            if name not in BY_OFFSET:
                assert all(entry.lies_behind(key, foreign) for key in found)


def test_every_list_with_pages_has_its_writer() -> None:
    assert {name.partition(",")[0] for name in LISTS} == set(PAGED)
