"""A server in front of the real one, which loses or refuses the first requests as a bad day does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

LOST_BEFORE = "lost before the request reached the real server"
_HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "content-encoding"}
Seen = tuple[str, str, dict[str, str], bytes]


@dataclass
class FaultyProxy:
    """`faults` are spent one by one: a status to answer, or a lost connection."""

    target: str
    faults: list[int | str] = field(default_factory=list)
    retry_after: str = "0"
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def keys(self) -> list[str]:
        return [headers.get("idempotency-key", "") for _, _, headers, _ in self.seen]


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.proxy.seen.append((self.command, self.path, headers, body))
        fault = self.proxy.faults.pop(0) if self.proxy.faults else None
        if fault == LOST_BEFORE:
            self.close_connection = True
            return
        if isinstance(fault, int):
            self._answer(fault, {"retry-after": self.proxy.retry_after}, b"busy")
            return
        passed = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
        answer = httpx.request(
            self.command, self.proxy.target + self.path, headers=passed, content=body, timeout=60
        )
        self._answer(answer.status_code, dict(answer.headers), answer.content)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - names of http.server

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
