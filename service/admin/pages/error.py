"""The page that says what went wrong."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from service.admin.contexts.base import Frame
from service.admin.contexts.error import ErrorContext
from service.admin.rendering import render
from service.problems import Problem


def render_error(request: Request, problem: Problem) -> str:
    """HTML for `problem`."""
    return render(
        ErrorContext(frame=Frame(title=problem.title), problem=problem, back_url=_page_before(request))
    )


def _page_before(request: Request) -> str:
    """The own page that the reader came from; never another site's, never the one that failed."""
    referer = urlsplit(request.headers.get("referer", ""))
    own = referer.netloc == request.headers.get("host") and referer.path.startswith("/campaigns")
    return referer.path if own and referer.path != request.url.path else "/campaigns"
