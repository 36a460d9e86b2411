"""The page that says what went wrong."""

from __future__ import annotations

from starlette.requests import Request

from service.admin.templates_env import environment
from service.problems import Problem


def render_error(request: Request, problem: Problem) -> str:
    """HTML for `problem`."""
    return environment().get_template("error.html").render(request=request, problem=problem)
