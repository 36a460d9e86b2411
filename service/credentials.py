"""What a request shows of who sent it, and the cookie by which a browser shows it."""

from __future__ import annotations

import base64

from fastapi import Request, Response

from service.accounts.authentication import Credentials
from service.accounts.login import SignedIn
from service.addresses import is_loopback

COOKIE = "crashscout_session"
# A proxy on this machine speaks for somebody elsewhere.
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def credentials_of(request: Request) -> Credentials:
    """The key of the Authorization header; else the cookie of a session; else nothing."""
    if "authorization" in request.headers:
        return Credentials("key", _presented_key(request.headers["authorization"]))
    if COOKIE in request.cookies:
        return Credentials("session", request.cookies[COOKIE])
    return Credentials("none", is_near=_is_near(request))


def _presented_key(authorization: str) -> str:
    """A bearer token, or the password of HTTP Basic."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).decode().partition(":")[2]
        except ValueError:  # not base64, or not UTF-8
            return ""
    return ""


def _is_near(request: Request) -> bool:
    """The connection came in over loopback, so from this machine, and no proxy says that it only passes it on."""
    server = request.scope.get("server")
    return (
        server is not None
        and is_loopback(server[0])
        and not any(name in request.headers for name in _OF_PROXIES)
    )


def set_cookie(request: Request, response: Response, signed_in: SignedIn) -> None:
    """Give the browser its session. Lax: a link in a message opens the page, a form elsewhere sends no cookie."""
    response.set_cookie(
        COOKIE, signed_in.token, max_age=signed_in.lifetime_s, httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def forget_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")
