"""What FastAPI's own OpenAPI document leaves out: who may ask, which ids exist, and what follows from an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LARGEST_ID = 2**63 - 1
_PARAMETER = re.compile(r"\{(\w+)\}")
# A path whose last variable part is an id of its noun: /api/v1/webhooks/{webhook_id}/deliveries.
_OF_ONE_ROW = re.compile(r"/api/v1/(?P<noun>[\w-]+)/\{(?P<parameter>\w+_id)\}(?P<rest>.*)")
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <API key>`"},
    "basic": {"type": "http", "scheme": "basic", "description": "The API key as password, with any name."},
}


def without_colons(path: str) -> str:
    """Path parameters that end before a colon: an action `/x/1:cancel` is not the row `1:cancel` of `/x/{id}`.

    The wrong method on an action then answers 405, instead of 422 for an id that is no number.
    """
    return _PARAMETER.sub(r"{\1:part}", path)


def complete(document: dict[str, Any]) -> None:
    """Add to a new document the keys, the bounds of ids, and links from what creates to what reads and changes."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    document["security"] = [{name: []} for name in _SCHEMES]
    for path, operation in _operations(document):
        if not path.startswith("/api/"):
            operation["security"] = []  # health: monitors have no key
        _bound_ids(operation)
    _link(document)


def methods_of(document: dict[str, Any], path: str) -> list[str]:
    """The documented methods of an address, for `Allow`; none for a page."""
    found = {
        method.upper()
        for template, methods in document["paths"].items()
        if re.fullmatch(_PARAMETER.sub("[^/:]+", template), path)
        for method in methods
    }
    return sorted(found)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _bound_ids(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["schema"] |= {"minimum": 1, "maximum": LARGEST_ID}


def _link(document: dict[str, Any]) -> None:
    """From each POST that answers a new row to all operations on such a row."""
    followers: dict[str, list[tuple[str, str]]] = {}
    for path, operation in _operations(document):
        if match := _OF_ONE_ROW.fullmatch(path):
            followers.setdefault(match["noun"], []).append((operation["operationId"], match["parameter"]))
    for path, methods in document["paths"].items():
        noun = path.rsplit("/", 1)[-1]
        for status, answer in methods.get("post", {}).get("responses", {}).items():
            if status in {"201", "202"} and noun in followers:
                answer["links"] = {
                    name: {"operationId": name, "parameters": {parameter: "$response.body#/id"}}
                    for name, parameter in followers[noun]
                }
