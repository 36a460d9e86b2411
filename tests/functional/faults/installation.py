"""A real installation to break: `crashscout serve` with its engines, API, worker and beat as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from service.embedded import postgres_server
from service.embedded.folders import REDIS_SOCKET, choose_socket_folder
from service.embedded.processes import choose_engine_user
from service.queue.client import QueueClient
from service.queue.messages import Message, TaskName
from service.stack import free_port, log_folder
from tests.support import psycopg_url

ROOT = Path(__file__).resolve().parents[3]
# A tenth of the ordinary lease: all that waits for leases is ten times as fast.
LEASE_S = 3
RECOVERY_S = 60.0
POLL_S = 0.02
PROGRAMS = ("postgres", "redis-server", "valkey-server")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = RECOVERY_S) -> Any:
    """What the condition gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(POLL_S)
    return found


class Installation:
    """Processes that can be killed, looked at from outside: over HTTP, SQL, and the process table."""

    def __init__(self, folder: Path, *, attempts: int = 50) -> None:
        self.folder = folder
        self.port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=20)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CRASHSCOUT_")},
            "CRASHSCOUT_RUN_LEASE_S": str(LEASE_S),
            "CRASHSCOUT_RUN_ATTEMPTS": str(attempts),
            "CRASHSCOUT_DEVICE": "cpu",
        }
        self._serve: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        self._connection: psycopg.Connection[Any] | None = None

    # Start and end

    def start(self) -> None:
        """What a supervisor of the machine does: start `serve`, again after its death."""
        if self._serve is not None:
            self._serve.wait()
        command = ["serve", "--port", str(self.port), "--data-dir", str(self.folder)]
        self._serve = self._run(command, {}, "serve")
        wait_until(self.is_ready, "the installation is ready")

    def is_ready(self) -> bool:
        assert self._serve is not None
        assert self._serve.poll() is None, self.log("serve")
        try:
            return self.http.get("/../../health/ready").is_success
        except httpx.TransportError:
            return False

    def start_beside(self, command: str, **environment: str) -> subprocess.Popen[bytes]:
        """A further process on the same engines, as another machine would run it."""
        urls = {
            "CRASHSCOUT_DATABASE_URL": self.database_url,
            "CRASHSCOUT_BROKER_URL": self.broker_url,
            "CRASHSCOUT_FILES_DIR": str(self.folder / "files"),
        }
        log = f"{command}-beside-{len(self._others)}"
        process = self._run([command], urls | environment, log)
        self._others.append(process)
        if command == "worker":
            wait_until(lambda: " ready." in self.log(log), "the worker beside is ready")
        return process

    def _run(self, command: list[str], environment: dict[str, str], log: str) -> subprocess.Popen[bytes]:
        path = log_folder(self.folder) / f"{log}.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "service.cli", *command],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment | environment,
            )

    def stop(self) -> None:
        for process in (*self._others, self._serve):
            if process is not None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in (*self._others, self._serve):
            if process is not None:
                _end(process)
        self.http.close()
        if self._connection is not None:
            self._connection.close()

    # Faults

    def pid(self, name: str) -> int:
        """Process of api, worker, beat, postgres, redis or serve, once it is there."""
        if name == "serve":
            assert self._serve is not None
            return self._serve.pid
        return int(wait_until(lambda: self._children().get(name), f"the {name} runs"))

    def _children(self) -> dict[str, int]:
        assert self._serve is not None
        found = {}
        for task in Path(f"/proc/{self._serve.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                if name := _name_of(pid):
                    found[name] = int(pid)
        return found

    def kill(self, name: str) -> None:
        """`kill -9`; nobody gets to tidy up."""
        kill(self.pid(name))

    def send_to_all(self, task: TaskName, row_id: int, *, times: int = 1) -> None:
        """As many further messages as there are workers."""
        queue = QueueClient(self.broker_url)
        for _ in range(times * len(self.workers())):
            assert queue.send(Message(task, row_id))
        queue.close()

    def keep_spare(self) -> None:
        """See that there is a worker beside that of `serve`, which starts its own again."""
        if len(self.workers()) == 1:
            self.start_beside("worker")

    def workers(self) -> list[int]:
        """The worker of `serve` and those beside it."""
        others = [process for process in self._others if process.poll() is None]
        return [self.pid("worker"), *(process.pid for process in others if "worker" in process.args)]

    # Looking at it

    @property
    def _sockets(self) -> Path:
        engines = self.folder / "engines"
        return choose_socket_folder(engines, choose_engine_user(engines / "postgres"))

    @property
    def database_url(self) -> str:
        return postgres_server.database_url(self._sockets, postgres_server.DATABASE).render_as_string()

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self._sockets / REDIS_SOCKET}?virtual_host=0"

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(psycopg_url(self.database_url))

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows; over a new connection when the one before was lost, as soon as there is one to be had."""
        rows: list[tuple[Any, ...]] | None = None
        while rows is None:
            try:
                if self._connection is None:
                    self._connection = self.connect()
                    self._connection.autocommit = True
                rows = self._connection.execute(statement, parameters).fetchall()
            except psycopg.OperationalError:
                self._connection = None
                time.sleep(0.1)
        return rows

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._sockets / REDIS_SOCKET))

    @contextmanager
    def holding(self, lock: str) -> Iterator[psycopg.Connection[Any]]:
        """A transaction that stands in the way of the others until its block ends."""
        with self.connect() as connection:
            connection.execute(lock)
            yield connection
            connection.rollback()

    def wait_until_blocked(self, pattern: str) -> None:
        """Until such a statement waits for a lock."""
        statement = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        wait_until(lambda: self.query(statement, pattern), f"a statement like {pattern} waits")

    def log(self, name: str) -> str:
        """The log of a process, or of several by a pattern."""
        found = sorted(log_folder(self.folder).glob(f"{name}.log"))
        return "\n".join(path.read_text(errors="replace") for path in found)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _is_zombie(pid), f"process {pid} is gone")


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """The processes do nothing for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _name_of(pid: str) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        program = Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return None
    if _is_zombie(int(pid)):
        return None
    if program in PROGRAMS:
        return "postgres" if program == "postgres" else "redis"
    return next((word for word in words if word in {"api", "worker", "beat"}), None)


def _is_zombie(pid: int) -> bool:
    """Gone, or waiting for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
