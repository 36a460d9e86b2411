"""Which scope a route needs: a rule for all, and marks for the few that need another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from service.vocabulary import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_MARKED: dict[Callable[..., Any], Scope | None] = {}


def requires(scope: Scope | None) -> Callable[[Endpoint], Endpoint]:
    """Mark a route: it needs this scope whatever its method; None: whoever is known may call it.

    It stands below the route's own decorator.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        _MARKED[endpoint] = scope
        return endpoint

    return mark


def scope_of(endpoint: Callable[..., Any], method: str) -> Scope | None:
    """The mark of the route; else `read` to look and `write` for everything else."""
    if endpoint in _MARKED:
        return _MARKED[endpoint]
    return Scope.READ if method in _SAFE_METHODS else Scope.WRITE
