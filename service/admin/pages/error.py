"""The page that says what went wrong."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request

from service.admin.contexts.base import Frame
from service.admin.contexts.error import ErrorContext
from service.admin.rendering import render
from service.problems import Problem

# The state has moved on since the reader's page was made.
STALE = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
_ADVICE: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Your account may not do this. Who administers Crashscout here can change your role.",
    HTTPStatus.NOT_FOUND: "The address may be mistyped, or what it names was never here.",
    HTTPStatus.CONFLICT: "Your page was older than the state here: a colleague, a worker or another tab of yours came "
    "first. Nothing was changed by you.",
    HTTPStatus.PRECONDITION_FAILED: "Somebody saved another version while you were editing. Yours was not saved.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Nothing of what you sent was kept. Tell who runs Crashscout here the request id "
    "below: the log holds the cause under it.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing is lost: reload the page in a moment.",
}


def render_error(request: Request, problem: Problem) -> str:
    """HTML for `problem`."""
    return render(
        ErrorContext(
            frame=Frame(title=problem.title),
            problem=problem,
            hint="" if "/api/" in problem.hint else problem.hint,
            back_url=_page_before(request),
            advice=_ADVICE.get(problem.status, ""),
            is_stale=problem.status in STALE,
        )
    )


def _page_before(request: Request) -> str:
    """The own page that the reader came from; never another site's, never the one that failed."""
    referer = urlsplit(request.headers.get("referer", ""))
    own = referer.netloc == request.headers.get("host") and referer.path.startswith("/campaigns")
    if not own or referer.path == request.url.path:
        return "/campaigns"
    return f"{referer.path}?{referer.query}" if referer.query else referer.path
