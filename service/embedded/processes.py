"""Engine processes: as which user they run, how they end with their parent, what they log."""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from service.errors import UnavailableError

START_TIMEOUT_S = 60.0  # recovery after a power cut reads the log first; a normal start takes 0.1 s
STOP_TIMEOUT_S = 30.0
POLL_S = 0.01
LOG_TAIL_LINES = 12

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: the unprivileged child may not be able to read the interpreter's home.
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number: int) -> Callable[[], None]:
    """Return a `preexec_fn` that makes the kernel send `signal_number` to the child when its parent dies.

    It holds even on `kill -9` of the parent. Linux ties it to the *thread* that forks: call `Popen` in a
    thread that lives as long as the child shall (the main thread, or a thread kept for this). A change of
    user clears it, so `Popen(user=...)`, which acts before `preexec_fn`, is right and `su` or `sudo` not.
    """
    parent_pid = os.getpid()
    prctl = _LIBC.prctl

    def arrange() -> None:
        if prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent_pid:  # the parent died between fork and prctl: no signal will come
            os._exit(1)

    return arrange


@dataclass(frozen=True)
class EngineUser:
    """The unprivileged user that engines run as when we are root."""

    uid: int
    gid: int

    def popen_options(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose_engine_user(postgres_folder: Path) -> EngineUser | None:
    """None when we are not root (engines run as ourselves); else the owner of the data, or a system user.

    The owner of existing data goes first: installing the package `postgresql` later creates the user
    `postgres`, which could not read what `nobody` wrote.
    """
    if os.geteuid() != 0:
        return None
    if postgres_folder.is_dir():
        owner = postgres_folder.stat()
        if owner.st_uid != 0:
            return EngineUser(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return EngineUser(entry.pw_uid, entry.pw_gid)
    raise UnavailableError(
        "Postgres refuses to run as root, and there is neither a user `postgres` nor `nobody`.",
        hint="Create one (`useradd --system postgres`) or run Crashscout as an ordinary user.",
    )


def may_execute(path: Path, user: EngineUser | None) -> bool:
    """Ask the kernel whether `user` may enter this folder or run this file; mode bits alone miss ACLs."""
    if user is None:
        return os.access(path, os.X_OK)
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
    return subprocess.run(command, cwd="/", check=False, **user.popen_options()).returncode == 0


class EngineProcess:
    """One engine: its process, the signal that ends it well, and its log."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, stop_signal: int, kill_signal: int):
        self.name = name
        self._command = list(command)
        self._log = log
        self._stop_signal = stop_signal
        self._kill_signal = kill_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, spawner: ThreadPoolExecutor, *, user: EngineUser | None, lock_fd: int) -> None:
        """Start the process from the spawner's thread.

        The process inherits the folder's lock: the lock is free only when the last of its processes has
        ended, so that a new start never meets an engine that is still shutting down.
        """
        try:
            with _fresh_log(self._log) as log:
                self._process = spawner.submit(self._popen, log, user, lock_fd).result()
        except (OSError, subprocess.SubprocessError) as error:
            raise UnavailableError(f"{self.name} could not be started: {error}.") from error

    def _popen(self, log: BinaryIO, user: EngineUser | None, lock_fd: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},  # no PG* variable gets in
            start_new_session=True,  # Ctrl-C is for us; we stop the engines last
            pass_fds=(lock_fd,),
            preexec_fn=die_with_parent(self._stop_signal),  # noqa: PLW1509  it only calls what is loaded
            **(user.popen_options() if user else {}),
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """It was started and runs no more: somebody killed it, or it failed."""
        return self._process is not None and self._process.poll() is not None

    def wait_until_ready(self, answers: Callable[[], bool]) -> None:
        """Poll until the engine answers; raise with the end of its log when it ends or takes too long."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers():
            if self._process.poll() is not None:
                raise self._failure(f"ended with status {self._process.returncode} while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {START_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)

    def wait_until_done(self) -> None:
        """For a program that does its work and ends (initdb)."""
        assert self._process is not None
        try:
            status = self._process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"did not end within {START_TIMEOUT_S:.0f} s") from error
        if status != 0:
            raise self._failure(f"failed with status {status}")

    def request_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)

    def wait_until_stopped(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(self._kill_signal)
            self._process.wait()

    def _failure(self, what: str) -> UnavailableError:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return UnavailableError(f"{self.name} {what}. The end of {self._log}:\n" + "\n".join(lines))


def _fresh_log(path: Path) -> BinaryIO:
    """Open a new log and keep the one before it: it may tell why the last run ended."""
    if os.path.lexists(path):
        path.replace(path.with_suffix(".log.1"))
    # EXCL: root must not write through a link that somebody else has put there.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640), "wb")
