"""Every route of the application, and how to call it with a row that belongs to a given campaign."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from service.scopes import scope_of
from service.vocabulary import Scope
from tests.service.database.conftest import Store
from tests.support import sample_document

# Open to everyone, on purpose.
OPEN = {
    ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/login"), ("POST", "/login"), ("GET", "/login/oidc"),
    ("GET", "/login/oidc/callback"), ("GET", "/login/oidc/logout"),
}  # fmt: skip
PARAMETER = re.compile(r"/([\w-]+)/\{\w+(?::\w+)?\}")
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
# Where the table is not named like the collection.
TABLES = {"imports": "import_runs", "rounds": "campaign_rounds"}
# Collections whose rows belong to no campaign.
OF_ALL_CAMPAIGNS = {"api-keys", "users"}
# Bodies and queries without which a route would complain before it looks for the row, by the name of the function.
BODIES: dict[str, dict[str, Any]] = {
    "reject_recommendation": {"json": {"reason": "no body left"}},
    "complete_recommendation": {"json": {"target": 26.5}},
    "create_upload": {
        "data": {"campaign_id": "{campaigns}", "source": "s"}, "files": {"file": ("a.zip", b"PK")},
    },
    "reject": {"data": {"reason": "no body left"}},
    "create_sample": {"json": sample_document()},
    "confirm_label": {"json": {"reason": "no body left"}},
    "dismiss_doubt": {"json": {"reason": "no body left"}},
    "retest_sample": {"json": {"reason": "no body left"}},
    "veto_sample": {"json": {"reason": "no body left"}},
    "correct_label": {"json": {"reason": "no body left", "target": 26.5}},
    "show_attempts": {"params": {"kind": "valuation-runs", "run_id": 1}},
    "create_injections": {"json": {"sample_ids": [1], "reason": "no body left"}},
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    endpoint: Callable[..., Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> Scope | None:
        return scope_of(self.endpoint, self.method)

    @property
    def collection(self) -> str | None:
        """The collection whose row the path names first."""
        found = PARAMETER.search(self.path)
        return found[1] if found else None

    @property
    def names_campaign(self) -> bool:
        """Whether a row of a campaign is named, in the path or in the body."""
        in_body = "{campaigns}" in str(BODIES.get(self.endpoint.__name__))
        return in_body or self.collection not in {None, *OF_ALL_CAMPAIGNS}

    def url(self, row_id: int) -> str:
        filled = PARAMETER.sub(rf"/\1/{row_id}", self.path)
        assert "{" not in filled, (
            f"the walk cannot fill {self.name}: let a collection stand before each parameter"
        )
        return filled

    def call(self, client: TestClient, row_id: int, **headers: str) -> httpx.Response:
        """Call it on a row; where the body names a campaign, on that one."""
        body = dict(BODIES.get(self.endpoint.__name__, {}))
        if self.collection is None and "data" in body:
            body["data"] = {
                name: str(row_id) if value == "{campaigns}" else value for name, value in body["data"].items()
            }
        if self.method == "PATCH" or (self.method == "POST" and not body):
            body.setdefault("json", {})
        return client.request(self.method, self.url(row_id), headers=headers, **body)


def routes_of(app: FastAPI) -> list[Route]:
    """All of them, those of pages and streams too; what is mounted are files."""
    found = [
        Route(method, context.path, context.endpoint)
        for context in iter_route_contexts(app.routes)
        if getattr(context, "methods", None)
        for method in sorted(context.methods - {"HEAD"})
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def closed_routes(app: FastAPI) -> list[Route]:
    return [route for route in routes_of(app) if (route.method, route.path) not in OPEN]


@dataclass
class Foreign:
    """One row of every collection, all of one campaign; made when a route asks for it."""

    connection: psycopg.Connection
    ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.connection)
        self.ids = {
            "campaigns": self.store.campaign_id,
            "valuation-runs": self.store.run_id,
            "surrogates": self.store.surrogate_id,
            "acquisition-rounds": self.store.round_id,
            "samples": self.store.sample(),
        }

    def row(self, collection: str) -> int:
        if collection not in self.ids:
            self.ids[collection] = self._insert(collection)
        self.connection.commit()
        return self.ids[collection]

    def _insert(self, collection: str) -> int:
        if collection == "recommendations":
            return self.store.recommend(self.store.sample())
        if collection == "webhook-deliveries":
            return self.store.insert("webhook_deliveries", webhook_id=self.row("webhooks"))
        table = TABLES.get(collection, collection.replace("-", "_"))
        columns = dict(self._references(table))
        try:
            return self.store.insert(table, campaign_id=self.ids["campaigns"], **columns)
        except (KeyError, psycopg.Error) as error:
            message = (
                f"the walk cannot make a row of {collection}: add {table} to tests/service/database/conftest.py, "
                "and to tests/service/accounts/walking.py what it refers to"
            )
            raise AssertionError(message) from error

    def _references(self, table: str) -> Iterator[tuple[str, int]]:
        if table == "injections":
            yield "sample_id", self.store.sample()
        if table == "simulation_runs":
            yield "recommendation_id", self.row("recommendations")
        if table == "replays":
            yield "round_id", self.ids["acquisition-rounds"]
