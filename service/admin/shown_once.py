"""A secret that was just made: shown on the next page, once, and kept nowhere.

Like a message (`flash.py`) it travels in a cookie of the reader's own browser for a minute at most, so that the form
can end in a redirect; only the page that shows it gets the cookie.
"""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from service.admin.flash import LIFE_S, redirect

COOKIE = "crashscout_shown_once"
LONGEST = 500


def redirect_with(request: Request, url: str, text: str, secret: str) -> RedirectResponse:
    """303 to `url` with a message, and with the secret that the page there shows."""
    response = redirect(url, "ok", text)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=LIFE_S,
        path=url.partition("?")[0],
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def read(request: Request) -> str:
    """The secret that waits for this page; empty when there is none."""
    return request.cookies.get(COOKIE, "")[:LONGEST]


def forget(request: Request, response: Response) -> None:
    """It has been shown."""
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, path=request.url.path, httponly=True, samesite="strict")
