"""uvicorn's HTTP/1.1 with one more limit: the head of a request must come in time.

uvicorn ends connections that rest between requests, and bounds the size of a head, but waits for ever for one
that has begun: a client that sends a header line now and then would hold its place (slow loris).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.addresses import is_loopback
from service.errors import InputError
from service.settings import Environment, Settings

HEAD_TIMEOUT_S = 20.0
LARGEST_HEAD_BYTES = 32 * 1024
# Connections at once; beyond them uvicorn answers 503. Each event stream holds one.
MOST_CONNECTIONS = 1000


class PatientProtocol(H11Protocol):
    """Closes a connection whose request's head is not complete after `head_timeout_s`."""

    head_timeout_s = HEAD_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        # asyncio does so for sockets that it opened; those of a shared port it does not know for TCP, and an answer's
        # second part would wait 40 ms for the client to confirm the first.
        connection = transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_head():
            self._stop_watching()
        elif self._head_timer is None:  # the next request of the connection has begun
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _has_head(self) -> bool:
        return bool(self.conn.their_state is not h11.IDLE)

    def _watch_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self._has_head() and not self.transport.is_closing():
            self.transport.close()


def uvicorn_options() -> dict[str, Any]:
    """What the web process asks of uvicorn; proxies are believed by the application's own settings alone."""
    return {
        "http": PatientProtocol,
        "h11_max_incomplete_event_size": LARGEST_HEAD_BYTES,
        "limit_concurrency": MOST_CONNECTIONS,
        "log_config": None,
        "access_log": False,  # `RequestFrame` writes its line with the request's id
        "server_header": False,
        "proxy_headers": False,  # `ProxyHeadersMiddleware` stands in the application, with CRASHSCOUT_TRUSTED_PROXIES
    }


def check_address(host: str, port: int, settings: Settings) -> None:
    """Refuse to listen where it would be open to others, or where somebody else listens already.

    Raises:
        InputError: with the remedy.
    """
    # In production nobody comes in without credentials, whatever is set.
    has_way_in = settings.api_key.get_secret_value() or settings.oidc_issuer
    is_closed = has_way_in or settings.environment is Environment.PRODUCTION
    if not is_loopback(host) and not is_closed:
        hint = f"Set CRASHSCOUT_API_KEY, for example to {secrets.token_urlsafe(24)}, or listen on 127.0.0.1."
        raise InputError(f"{host} can be reached by others, and no API key is set.", hint=hint)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = "Choose another with --port, or stop what listens there."
            raise InputError(f"Cannot listen on {host}:{port}: {error.strerror}.", hint=hint) from error
