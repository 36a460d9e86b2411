"""RFC 9457 problem documents: the one shape in which the API says what went wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from service.errors import CrashscoutError

MEDIA_TYPE = "application/problem+json"


class ProblemField(BaseModel):
    pointer: str = Field(description="JSON pointer into the request.")
    message: str


class Problem(BaseModel):
    """`code` is stable and meant for tools, `detail` for people."""

    type: str = Field(examples=["urn:crashscout:problem:invalid_input"])
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
    instance: str
    request_id: str
    errors: list[ProblemField] = []


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a route may answer."""
    return {status: {"model": Problem, "description": _TITLES[status]} for status in sorted(statuses)}


def documented(status: int) -> dict[str, Any]:
    """The finished OpenAPI entry of one problem."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}


def as_problems(document: dict[str, Any]) -> None:
    """Correct the media type of every error: FastAPI's own tools know one type per route."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400" and "content" in response:
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    408: "Too slow",
    409: "The state does not allow it",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid input",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


def problem_of(error: CrashscoutError, *, instance: str, request_id: str) -> Problem:
    """The document for one of our own errors."""
    return Problem(
        type=f"urn:crashscout:problem:{error.code}",
        title=_TITLES.get(error.status) or HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.message,
        code=error.code,
        hint=error.hint,
        instance=instance,
        request_id=request_id,
        errors=[ProblemField(pointer=item.pointer, message=item.message) for item in error.errors],
    )
