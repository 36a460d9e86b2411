"""What the rules refuse comes back as the same page, with what was typed and why: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from service.admin.attempts import sentence
from service.admin.contexts.base import Context, Flash, Frame
from service.admin.rendering import page
from service.dependencies import SessionDep
from service.errors import ConflictError, CrashscoutError, ForbiddenError, InputError

REFUSALS = (ConflictError, InputError, ForbiddenError)
LONGEST_ECHO = 4000


def changed_or_refused(
    request: Request, session: SessionDep, change: Callable[[], Response], again: Callable[[], Context]
) -> Response:
    """Do it; what is refused answers with the page that `again` makes, and with nothing changed."""
    try:
        return change()
    except REFUSALS as error:
        session.rollback()
        return refused(request, again(), error)


def refused(request: Request, context: Context, error: CrashscoutError) -> HTMLResponse:
    """The page with the reason above it, and the status of the reason."""
    # Every whole page has a frame; the base of all contexts, which parts of pages share, knows none.
    frame: Frame = getattr(context, "frame")  # noqa: B009
    changes: dict[str, Any] = {"frame": replace(frame, flash=Flash("error", sentence(error)))}
    response = page(request, replace(context, **changes))
    response.status_code = error.status
    return response


def echo(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed, as far as an input may show it again; passwords and secrets never."""
    return {name: text[:LONGEST_ECHO] for name, text in form.items() if name not in {"password", "secret"}}
