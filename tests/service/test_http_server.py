"""A real server on a real socket: heads and bodies that come slowly, or not at all, or too large."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.testclient import TestClient

from service.database.engine import TRANSACTIONS
from service.http_server import LARGEST_HEAD_BYTES, PatientProtocol, uvicorn_options
from service.main import create_app
from service.settings import Settings
from service.stack import free_port
from tests.support import API, add_samples, create_campaign, sample_document

PATIENCE_S = 0.5
# A slow machine may take long, but not for ever.
LIMIT_S = 60.0
HEAD = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n"


class Impatient(PatientProtocol):
    head_timeout_s = PATIENCE_S


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    """Where a server listens that waits half a second for heads and bodies."""
    with serving(settings, body_timeout_s=PATIENCE_S) as number:
        yield number


@contextmanager
def serving(settings: Settings, *, body_timeout_s: float) -> Iterator[int]:
    """A server on a port of its own."""
    app = create_app(settings.model_copy(update={"body_timeout_s": body_timeout_s}))
    number = free_port()
    options = uvicorn_options() | {"http": Impatient}
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=number, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + LIMIT_S
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield number
    server.should_exit = True
    thread.join(LIMIT_S)


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[], socket.socket]]:
    opened = []

    def new() -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S))
        return opened[-1]

    yield new
    for connection in opened:
        connection.close()


def read_to_end(connection: socket.socket) -> str:
    """All that comes until the other side closes; a server that never does makes this fail."""
    read = b""
    while chunk := connection.recv(65536):
        read += chunk
    return read.decode("latin-1")


def drip(connection: socket.socket) -> None:
    """A header line now and then, far longer than the server waits."""
    started_at = time.monotonic()
    while time.monotonic() - started_at < LIMIT_S:
        connection.sendall(b"X-Slow: 1\r\n")
        time.sleep(PATIENCE_S / 5)


def test_a_connection_that_says_nothing_is_closed(connect: Callable[[], socket.socket]) -> None:
    assert read_to_end(connect()) == ""


def test_a_head_that_drips_is_closed(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    connection.sendall(HEAD.encode())
    with pytest.raises(OSError):  # noqa: PT011 - a reset or a broken pipe, as the system likes
        drip(connection)


def test_a_second_head_of_the_connection_is_watched_too(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    connection.sendall(f"{HEAD}\r\n".encode())
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    connection.sendall(b"GET /health")
    assert "HTTP" not in read_to_end(connection)


def test_a_patient_client_in_good_time_is_served_again_and_again(
    connect: Callable[[], socket.socket],
) -> None:
    connection = connect()
    for _ in range(4):
        connection.sendall(f"{HEAD}\r\n".encode())
        answer = b""
        while not answer.endswith(b"}"):  # head and body may come one by one
            answer += connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        time.sleep(PATIENCE_S / 2)


def test_a_head_that_is_too_large_is_refused(connect: Callable[[], socket.socket]) -> None:
    connection = connect()
    connection.sendall(HEAD.encode() + b"X: " + b"x" * (LARGEST_HEAD_BYTES + 1))
    assert connection.recv(65536).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("key", ["", "Idempotency-Key: 1\r\n"])
def test_a_body_that_does_not_come_is_a_problem(connect: Callable[[], socket.socket], key: str) -> None:
    connection = connect()
    head = f"POST {API}/campaigns HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{key}"
    connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    answer = read_to_end(connection)
    assert answer.startswith("HTTP/1.1 408 ")
    assert '"code":"too_slow"' in answer
    assert "connection: close" in answer.lower()


def test_bodies_that_are_waited_for_hold_up_nobody(client: TestClient, settings: Settings) -> None:
    """As many as may be in the database at once, of each kind of route; a read comes through beside them."""
    campaign_id = create_campaign(client)
    (sample_id,) = add_samples(client, campaign_id, [sample_document()])
    of_campaign = f"{API}/campaigns/{campaign_id}"
    paths = [f"{of_campaign}/samples:bulk", f"{of_campaign}/predictions", f"{API}/samples/{sample_id}:veto"]
    with serving(settings, body_timeout_s=LIMIT_S) as port, ExitStack() as open_until_here:
        for path in paths * TRANSACTIONS:
            slow = open_until_here.enter_context(socket.create_connection(("127.0.0.1", port)))
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        time.sleep(PATIENCE_S)  # they are where they will wait
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S / 2) as reader:
            reader.sendall(f"GET {of_campaign} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert reader.recv(65536).startswith(b"HTTP/1.1 200 ")
