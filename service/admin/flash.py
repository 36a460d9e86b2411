"""One message for the next page: set with the redirect after a change, shown once.

It travels in a cookie of a minute's life. The cookie is not signed: only the reader's own browser can
write it, and the template escapes it.
"""

from __future__ import annotations

import base64
import json
from typing import Literal

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from service.admin.contexts.base import Flash

COOKIE = "crashscout_flash"
LIFE_S = 60
LONGEST = 1000


def redirect(url: str, kind: Literal["ok", "error"], text: str) -> RedirectResponse:
    """303 to `url`, so that reloading the page there sends nothing twice, with a message."""
    response = RedirectResponse(url, status_code=303)
    document = json.dumps([kind, text[:LONGEST]]).encode()
    value = base64.urlsafe_b64encode(document).decode()
    response.set_cookie(COOKIE, value, max_age=LIFE_S, httponly=True, samesite="strict")
    return response


def read(request: Request) -> Flash | None:
    """The message that waits, if it is a readable one."""
    value = request.cookies.get(COOKIE)
    if not value:
        return None
    try:
        kind, text = json.loads(base64.urlsafe_b64decode(value))
    except (ValueError, TypeError):
        return None
    return Flash(kind="ok" if kind == "ok" else "error", text=str(text))


def forget(request: Request, response: Response) -> None:
    """It has been shown."""
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
