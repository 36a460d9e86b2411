"""Everything on one machine: embedded engines where no URL is set, and API, worker and beat as children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.accounts.bootstrap import ReadyKey, ready_key, secret_key_of
from service.addresses import is_loopback
from service.database.migrate import upgrade
from service.embedded import EmbeddedEngines, default_data_folder, die_with_parent
from service.errors import UnavailableError
from service.http_server import check_address
from service.queue.client import check_broker
from service.settings import Settings

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 15.0
LOG_TAIL_LINES = 15
WATCH_EVERY_S = 0.5
# What ends by itself so often in a row, each time so soon after its start, will not run the next time either.
MOST_FAILURES = 5
SOON_S = 10.0
# The commands that docker-compose.yml runs as containers of their own.
CHILDREN = {"api": ["api"], "worker": ["worker"], "beat": ["beat"]}
# Addresses to listen on that are none to connect to.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
Announce = Callable[[str], None]


class Child:
    """A process of ours, with what it takes to start it again."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._failures = 0
        self.start()

    def start(self) -> None:
        self._started_at = time.monotonic()
        self.process = _start(self._command, self.log, self._environment)

    def check(self) -> None:
        """Raise when it has ended.

        Raises:
            UnavailableError: with the end of its log.
        """
        if self.process.poll() is not None:
            raise UnavailableError(
                f"The {self.name} ended with status {self.process.returncode}:\n{_tail(self.log)}",
                hint=f"The whole log: {self.log}",
            )

    def mend(self) -> bool:
        """Start it again when it has ended; True when it had.

        Raises:
            UnavailableError: it ends by itself, time and again, soon after its start.
        """
        status = self.process.poll()
        if status is None:
            return False
        failed = status >= 0 and time.monotonic() - self._started_at < SOON_S  # below 0: killed by a signal
        self._failures = self._failures + 1 if failed else 0
        if self._failures == MOST_FAILURES:
            self.check()
        self.start()
        return True


@dataclass(frozen=True)
class Stack:
    """What runs, and where it answers."""

    url: str
    data_folder: Path
    engines: EmbeddedEngines | None
    children: list[Child]
    # A key that may do everything; None where the operator has set one, or others can reach the service.
    ready_key: ReadyKey | None = None

    def mend(self) -> list[str]:
        """Start again what has ended: one killed process is no reason to end the others.

        Raises:
            UnavailableError: a child or an engine ends time and again.

        Returns:
            The names of what was started.
        """
        engines = self.engines.restart_ended() if self.engines else []
        return [*engines, *(child.name for child in self.children if child.mend())]

    def log(self, name: str) -> Path:
        return log_folder(self.data_folder) / f"{name}.log"


def log_folder(data_folder: Path) -> Path:
    return data_folder / "logs"


def url_of(host: str, port: int) -> str:
    """Where a program on this machine reaches what listens on `host`."""
    reachable = _EVERYWHERE.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_stack(
    settings: Settings, *, data_folder: Path | None, host: str, port: int, announce: Announce
) -> Iterator[Stack]:
    """Start everything, yield when it answers, stop everything.

    Children end with this process even when it is killed. Their output goes to files in the data folder.
    """
    check_address(host, port, settings)
    folder = (data_folder or settings.data_dir or default_data_folder()).expanduser().resolve()
    with ExitStack() as cleanup:
        database_url, broker_url, engines = settings.database_url, settings.broker_url, None
        if not (database_url and broker_url):
            announce(f"starting Postgres and Redis in {folder}")
            engines = cleanup.enter_context(EmbeddedEngines(folder))
            database_url, broker_url = database_url or engines.database_url, broker_url or engines.broker_url
        secret_key = secret_key_of(settings, folder)
        environment = os.environ | {
            "CRASHSCOUT_DATABASE_URL": database_url,
            "CRASHSCOUT_SECRET_KEY": secret_key,
            "CRASHSCOUT_BROKER_URL": broker_url,
            "CRASHSCOUT_FILES_DIR": str((settings.files_dir or folder / "files").absolute()),
        }
        announce("bringing the database up to date")
        upgrade(database_url)
        check_broker(broker_url)
        own = is_loopback(host) and not settings.api_key.get_secret_value()
        key = ready_key(database_url, folder, secret_key) if own else None
        announce("starting the API and the worker")
        stack = Stack(url_of(host, port), folder, engines, [], key)
        cleanup.callback(_stop, stack.children)
        for name, command in CHILDREN.items():
            options = ["--host", host, "--port", str(port)] if name == "api" else []
            stack.children.append(Child(name, [*command, *options], stack.log(name), environment))
        _wait_until_ready(stack, name=settings.allowed_hosts[0])
        yield stack


def keep_running(stack: Stack, announce: Announce) -> None:
    """Keep all of it running until somebody stops us; Ctrl-C and SIGTERM are the ordinary ways.

    Raises:
        UnavailableError: a part ends time and again.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            for name in stack.mend():
                announce(f"the {name} had ended and was started again")
            time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "service.cli", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops them in order
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it only calls prctl
        )


def _wait_until_ready(stack: Stack, *, name: str) -> None:
    """Ask under a `name` that the service goes by: its address need not be one of them."""
    import httpx  # 8 MB that the API, which starts by this module too, does not need

    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        for child in stack.children:
            child.check()
        try:
            if httpx.get(f"{stack.url}/health/ready", headers={"Host": name}, timeout=5.0).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    message = f"The API does not answer after {START_TIMEOUT_S:.0f} s:\n{_tail(stack.log('api'))}"
    raise UnavailableError(message, hint=f"The whole log: {stack.log('api')}")


def _stop(children: list[Child]) -> None:
    """Ask all to end, then insist: a run that is cut short is taken up again at the next start."""
    processes = [child.process for child in children]
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])
