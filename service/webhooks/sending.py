"""One signed POST to a webhook: pinned address, no redirects, a bounded time and a bounded answer."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore

from service.errors import InputError
from service.webhooks.address import Network, check_url, resolve

SIGNATURE_HEADER = "X-Crashscout-Signature"
LONGEST_ANSWER_BYTES = 64 * 1024
KEPT_ANSWER = 1000
SUCCESS = range(200, 300)


@dataclass(frozen=True)
class Answer:
    """What came of a request; without a status there is an error."""

    status_code: int | None
    error: str
    text: str

    @property
    def is_success(self) -> bool:
        return self.status_code in SUCCESS


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """`v1=` and the hexadecimal HMAC-SHA256 of `{timestamp_s}.{body}` under the webhook's secret."""
    signed = f"{timestamp_s}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def headers_of(
    *, secret: str, delivery_id: int, event_type: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Headers of a delivery: the receiver checks the signature and refuses old timestamps."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "crashscout-webhook/1",
        "X-Crashscout-Delivery": str(delivery_id),
        "X-Crashscout-Event": event_type,
        "X-Crashscout-Timestamp": str(timestamp_s),
        SIGNATURE_HEADER: signature(secret, timestamp_s, body),
    }


def post(
    url: str, headers: dict[str, str], body: bytes, *, timeout_s: float, allowed: Sequence[Network]
) -> Answer:
    """Send `body`; whatever goes wrong is told by the answer.

    The whole exchange ends after `timeout_s`, however slowly the other side sends; redirects are an answer like
    any other, and are not followed.
    """
    guard = _GuardedBackend(allowed, time.monotonic() + timeout_s)
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
    try:
        check_url(url)
        with (
            httpcore.ConnectionPool(network_backend=guard, max_connections=1) as pool,
            pool.stream(
                "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
            ) as response,
        ):
            return Answer(response.status, "", _text(response.iter_stream()))
    except InputError as error:
        return Answer(None, _first_words(error), "")
    except httpcore.TimeoutException:
        return Answer(None, f"no complete answer within {timeout_s:g} s", "")
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        return Answer(None, f"{type(error).__name__}: {error}"[:400], "")


def _first_words(error: InputError) -> str:
    return "; ".join(item.message for item in error.errors)[:400]


def _text(chunks: Iterable[bytes]) -> str:
    """The beginning of the answer; NUL cannot be stored."""
    read = b""
    for chunk in chunks:
        read += chunk
        if len(read) >= LONGEST_ANSWER_BYTES:
            break
    return read[:KEPT_ANSWER].decode(errors="replace").replace("\x00", "")[:KEPT_ANSWER]


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to the very address that was checked: a second look-up of the name could give another."""

    def __init__(self, allowed: Sequence[Network], deadline: float) -> None:
        self._allowed = allowed
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = resolve(host, port, self._allowed)
        for number, address in enumerate(addresses, 1):
            try:
                stream = self._inner.connect_tcp(
                    str(address), port, _left(self._deadline, timeout), local_address, socket_options
                )
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")


class _TimedStream(httpcore.NetworkStream):
    """A stream whose reads and writes all end at one moment: a byte now and then does not extend it."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout))
        return _TimedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        return self._inner.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left if timeout is None else min(left, timeout)
