"""What the manners add to the OpenAPI document: headers, and the answers that any route may give."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from service.manners.idempotency import HEADER, KEY_PATTERN, REPLAYED_HEADER
from service.manners.versions import resource_of
from service.problems import documented

_METHODS = {"get", "put", "post", "delete", "patch"}
_STRING = {"type": "string"}
_KEY = {
    "name": HEADER,
    "in": "header",
    "description": "The same request under the same key is answered again and done once; kept for 24 h.",
    "schema": {**_STRING, "pattern": KEY_PATTERN, "maxLength": 257},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "ETag of the version that you have seen; another one: 412, and nothing is changed.",
    "schema": _STRING,
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETag of what you have: 304 when it is still the same.",
    "schema": _STRING,
}
_ETAG = {"ETag": {"description": "Version and digest of what is answered.", "schema": _STRING}}
_REPLAYED = {REPLAYED_HEADER: {"description": "`true`: the answer of the first time.", "schema": _STRING}}
_RATES = {
    "RateLimit": {"description": "`r` requests remain; all of the quota after `t` s.", "schema": _STRING},
    "RateLimit-Policy": {"description": "`q` requests in `w` s.", "schema": _STRING},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def describe(document: dict[str, Any]) -> None:
    """Add the headers and answers of the manners to each operation below /api/v1."""
    for path, operations in document["paths"].items():
        if path.startswith("/api/v1/"):
            for method in _METHODS & set(operations):
                _describe(operations[method], method, resource_of(re.sub(r"\{\w+\}", "1", path)) is not None)


def _describe(operation: dict[str, Any], method: str, is_resource: bool) -> None:  # noqa: FBT001 - private
    if method == "post":
        _add(operation, [_KEY], {409, 422}, _REPLAYED)
    if method != "get":
        _add(operation, [], {408, 413}, {})
    if is_resource and method != "get":
        _add(operation, [_IF_MATCH], {412}, _ETAG if method != "delete" else {})
    if is_resource and method == "get":
        _add(operation, [_IF_NONE_MATCH], set(), _ETAG)
        operation["responses"]["304"] = {"description": "You have it.", "headers": copy.deepcopy(_ETAG)}
    _add(operation, [], {429}, _RATES)
    operation["responses"]["429"]["headers"] = copy.deepcopy(_RATES | _RETRY_AFTER)
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _add(
    operation: dict[str, Any], parameters: list[Any], statuses: Iterable[int], headers: dict[str, Any]
) -> None:
    if parameters:
        operation.setdefault("parameters", []).extend(copy.deepcopy(parameters))
    for status in sorted(statuses):
        operation["responses"].setdefault(str(status), documented(status))
    for status, response in operation["responses"].items():
        if status < "300":
            response.setdefault("headers", {}).update(copy.deepcopy(headers))
