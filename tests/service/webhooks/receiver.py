"""A real HTTP server that receives webhooks and answers as a test wants it to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answers` are given one after the other, the last one for ever."""

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?tool=x"


def handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.received.append(Received(self.path, dict(self.headers.items()), body))
            status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(receiver)) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


@contextmanager
def listening(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a socket that takes one connection and leaves the rest to `speak`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                speak(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def say_nothing(connection: socket.socket) -> None:
    """Take the request and stay silent until the other side gives up."""
    connection.settimeout(10)
    while connection.recv(4096):
        pass


def drip(connection: socket.socket) -> None:
    """A byte now and then: no single wait is long, the whole would be without end."""
    try:
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        return


def talk_nonsense(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"220 mail.example.com ESMTP\r\n")
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):  # closing on unread bytes would reset the connection before it is read
        pass
