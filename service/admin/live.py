"""Where a page stands in the campaign's events: its script goes on behind this position, and misses nothing."""

from __future__ import annotations

from fastapi import Request

from service.dependencies import SessionDep
from service.events import service as events


def note_position(request: Request, session: SessionDep) -> None:
    """Remember the newest position before the page reads anything: what comes later is told by the stream."""
    if request.method == "GET":
        request.state.position = events.newest_position(session)


def position_of(request: Request) -> int | None:
    """That position; None for a page that cannot be live."""
    position: int | None = getattr(request.state, "position", None)
    return position


def is_renewal(request: Request) -> bool:
    """Whether the script of an open page asks for parts of it again, not a person for the page."""
    return "hx-request" in request.headers
