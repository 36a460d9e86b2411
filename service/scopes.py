"""Which scope a route needs: a rule for all, and marks for the few that need another."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path

from service.vocabulary import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Attribute of a marked function; what wraps it (`functools.wraps`) has it too.
_MARK = "crashscout_scope"


def requires(scope: Scope | None) -> Callable[[Endpoint], Endpoint]:
    """Mark a route: it needs this scope whatever its method; None: whoever is known may call it.

    It stands below the route's own decorator.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, scope)
        return endpoint

    return mark


def scope_of(endpoint: Callable[..., Any], method: str) -> Scope | None:
    """The mark of the route; else `read` to look and `write` for everything else."""
    by_rule = Scope.READ if method in _SAFE_METHODS else Scope.WRITE
    found: Scope | None = getattr(endpoint, _MARK, by_rule)
    return found


@dataclass(frozen=True)
class Rights:
    """What the principal of a request may do in an application: pages offer nothing that would be refused."""

    scopes: frozenset[Scope]
    app: FastAPI

    def may_post(self, path: str) -> bool:
        """Whether a form may be sent there.

        Raises:
            LookupError: if no route takes it: the page is wrong.
        """
        for pattern, scope in _posts_of(self.app):
            if pattern.match(path):
                return scope is None or scope in self.scopes
        raise LookupError(f"No route takes a POST to {path}.")


# Of who asks in this context; without one only what is open to everyone is shown.
current_rights: ContextVar[Rights | None] = ContextVar("current_rights", default=None)


@lru_cache(maxsize=1)  # a process has one application
def _posts_of(app: FastAPI) -> list[tuple[re.Pattern[str], Scope | None]]:
    return [
        (compile_path(context.path or "")[0], scope_of(context.endpoint, "POST"))
        for context in iter_route_contexts(app.routes)
        if context.endpoint is not None and "POST" in (context.methods or ())
    ]


def as_secured(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Write into an OpenAPI document which scope each closed operation needs.

    For a scheme of type `http` the words behind it are roles, by OpenAPI 3.1.
    """
    told = "An API key as a bearer token; the words behind it are the scopes that the operation needs."
    schemes = {"key": {"type": "http", "scheme": "bearer", "description": told}}
    document.setdefault("components", {})["securitySchemes"] = schemes
    for context in iter_route_contexts(routes):
        path, endpoint = (context.path or "").replace(":part}", "}"), context.endpoint
        operations = document["paths"].get(path, {}) if path.startswith("/api/") else {}
        for method in context.methods or ():
            if endpoint is not None and method.lower() in operations:
                scope = scope_of(endpoint, method)
                operations[method.lower()]["security"] = [{"key": [scope.value] if scope else []}]
