"""The routers of the API's nouns: guarded, and found without trying each of their routes.

FastAPI tries the routes of all routers one after the other; with more than a hundred that is a fifth of the time of a
small request. Addresses here begin with a noun, `/samples/7`, or with a noun and what belongs to it,
`/campaigns/7/samples`: a router whose routes have neither in common with an address is passed by.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from service.dependencies import GuardedRoute

__all__ = ["API", "NounRouter"]

API = "/api/v1"
# (the noun, what belongs to one of it); None: anything.
_Head = tuple[str, str | None]


class NounRouter(APIRouter):
    """A router below `API` whose routes are `GuardedRoute`s; all of them are added before the first request."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(route_class=GuardedRoute, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        noun, below = _split(scope["path"].removeprefix(scope.get("root_path", "") + API))
        if (noun, below) in self._heads or (noun, None) in self._heads:
            return super().matches(scope)
        return Match.NONE, {}

    @cached_property
    def _heads(self) -> frozenset[_Head]:
        return frozenset(map(_head_of, self.routes))


def _split(path: str) -> tuple[str, str]:
    """First and third part of a path, each up to its colon; the second is an id, or a fixed word."""
    parts = [part.partition(":")[0] for part in path.split("/")[1:4]]
    noun, _, below = parts + [""] * (3 - len(parts))
    return noun, below


def _head_of(route: BaseRoute) -> _Head:
    noun, below = _split(getattr(route, "path", ""))
    return noun, None if "{" in below else below
