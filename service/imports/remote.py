"""A running service as the command line talks to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.errors import ConflictError, InputError, UnavailableError

if TYPE_CHECKING:
    import httpx

LOCAL_SERVER = "http://127.0.0.1:8000"
Server = Annotated[
    str,
    typer.Option(envvar="CRASHSCOUT_SERVER", help="Address of the service; its key: CRASHSCOUT_API_KEY."),
]


@contextmanager
def service_at(server: str) -> Iterator[httpx.Client]:
    import httpx

    key = os.environ.get("CRASHSCOUT_API_KEY", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=f"{server.rstrip('/')}/api/v1", headers=headers, timeout=60.0) as http:
            yield http
    except (httpx.TransportError, httpx.InvalidURL) as error:
        hint = "Is `crashscout serve` running? --server names another address."
        raise UnavailableError(f"{server} does not answer: {error}.", hint=hint) from error


def read_answer(answer: httpx.Response) -> dict[str, Any]:
    """The document of an answer; a problem becomes an error with its words."""
    try:
        document: dict[str, Any] = answer.json()
    except ValueError as error:
        raise UnavailableError(f"{answer.url} is no Crashscout: it answers {answer.status_code}.") from error
    if answer.is_success:
        return document
    kind = ConflictError if answer.status_code == ConflictError.status else InputError
    details = "; ".join(f"{item['pointer']} {item['message']}" for item in document.get("errors", []))
    raise kind(
        f"{document.get('detail', answer.status_code)} {details}".strip(), hint=document.get("hint", "")
    )
