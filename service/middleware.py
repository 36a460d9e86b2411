"""Plain ASGI middleware: request ids, known hosts, limits of size and time for bodies, security headers."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import CrashscoutError, UnknownHostError
from service.logs import logged_as
from service.metrics.requests import RequestTimes

logger = logging.getLogger(__name__)

_SAFE_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_QUIET = ("/health/", "/metrics")
# Scripts and styles come as files of ours, never inline. Pico CSS draws its marks from data: images.
_SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# What is confidential stays out of the caches of browsers and proxies; static files carry their digest.
_PUBLIC = "/static/"
_ONE_YEAR_S = 365 * 24 * 3600
# What a slow client must send to be waited for beyond the first `timeout_s`.
SLOWEST_BYTES_PER_S = 16 * 1024


def request_id_of(request: Request) -> str:
    """The id under which the log speaks of this request."""
    return str(request.scope.get("crashscout.request_id", ""))


class RequestFrame:
    """Gives each request an id (the caller's, when it is a sane one) and each answer the security headers."""

    def __init__(self, app: ASGIApp, times: RequestTimes) -> None:
        self.app = app
        self.times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SAFE_ID.match(given) else uuid.uuid4().hex
        scope["crashscout.request_id"] = request_id
        status = 500  # what the server answers when nobody else did

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.update(scope.get("crashscout.headers", {}))
                for name, value in _defaults(scope).items():
                    headers.setdefault(name, value)
                status = message["status"]
            await send(message)

        started_at = time.perf_counter()
        with logged_as(request_id=request_id):
            try:
                await self.app(scope, receive, send_framed)
            finally:
                self._note(scope, status, time.perf_counter() - started_at)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count it, and write a line for the log; what monitors ask all the time is not worth one."""
        self.times.note(scope, status, seconds)
        path = scope["path"]
        level = logging.DEBUG if path.startswith(_QUIET) else logging.INFO
        logger.log(level, "%s %s %d in %.0f ms", scope["method"], path, status, seconds * 1000)


def _defaults(scope: Scope) -> dict[str, str]:
    """Headers of an answer that does not set them itself."""
    headers = dict(_SECURITY_HEADERS)
    if not scope["path"].startswith(_PUBLIC):
        headers["cache-control"] = "no-store"
    if scope["scheme"] == "https":
        headers["strict-transport-security"] = f"max-age={_ONE_YEAR_S}"
    return headers


class KnownHosts:
    """Refuses requests to another host name: a page elsewhere may have pointed its own name at us."""

    def __init__(
        self, app: ASGIApp, allowed: Sequence[str], answer: Callable[[Request, CrashscoutError], Response]
    ) -> None:
        self.app = app
        self.allowed = frozenset(allowed)
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "*" in self.allowed or _host_of(scope) in self.allowed:
            await self.app(scope, receive, send)
            return
        error = UnknownHostError(
            "The request names a host that this service does not go by.",
            hint="Use one of CRASHSCOUT_ALLOWED_HOSTS, or add this name to it.",
        )
        await self.answer(Request(scope), error)(scope, receive, send)


def _host_of(scope: Scope) -> str | None:
    """The name without its port; None when the header is none that a browser would send."""
    try:
        return urlsplit("//" + Headers(scope=scope).get("host", "")).hostname
    except ValueError:
        return None


class BodyLimit:
    """Refuses a request body beyond `limit` bytes, announced or not, before it fills memory or disk.

    `of_path` allows forms at single paths another limit: a file goes to disk as it comes, a document into memory.
    A body that is not there after `timeout_s`, and a second more for each 16 KiB that came, is waited for no
    longer: a client that sends a byte now and then must not hold a place.
    """

    def __init__(
        self, app: ASGIApp, limit: int, timeout_s: float, of_path: Mapping[str, int] | None = None
    ) -> None:
        self.app = app
        self.limit = limit
        self.timeout_s = timeout_s
        self.of_path = dict(of_path or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        limit = self.of_path.get(scope["path"], self.limit) if is_form else self.limit
        announced = headers.get("content-length", "0")
        announced_bytes = int(announced) if announced.isdigit() else 0
        received, is_complete = 0, False
        started_at = time.monotonic()

        async def receive_in_time() -> Message:
            nonlocal is_complete
            if is_complete:  # what comes now is that the client has gone, some time
                return await receive()
            patience_s = self.timeout_s + received / SLOWEST_BYTES_PER_S
            try:
                async with asyncio.timeout(started_at + patience_s - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                detail = f"The request body was not there after {patience_s:.0f} s."
                raise HTTPException(408, detail, {"Connection": "close"}) from None
            is_complete = not message.get("more_body", False)
            return message

        async def receive_limited() -> Message:
            nonlocal received
            message: Message = {} if announced_bytes > limit else await receive_in_time()
            received += len(message.get("body", b""))
            if max(announced_bytes, received) > limit:
                # Raised while the route reads, so that the ordinary handler answers.
                detail = f"The request body is larger than {limit // 2**20} MiB: send it in parts."
                raise HTTPException(413, detail)
            return message

        await self.app(scope, receive_limited, send)
