"""Where embedded engines keep data and sockets, and the lock that keeps one instance per folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from service.embedded.processes import POLL_S, STOP_TIMEOUT_S, EngineUser, may_execute
from service.errors import ConflictError, UnavailableError

POSTGRES_PORT = 5432  # only a part of the socket's file name: nothing listens on the network
POSTGRES_SOCKET = f".s.PGSQL.{POSTGRES_PORT}"
REDIS_SOCKET = "redis.sock"
_SOCKET_PATH_BYTES = 107  # sun_path of Linux without its closing zero
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")  # libpq splits a host at commas; URLs need no quoting
_OTHER_FOLDER = "Choose another folder with --data-dir or CRASHSCOUT_DATA_DIR"


def default_data_folder() -> Path:
    """`CRASHSCOUT_DATA_DIR`; else /var/lib/crashscout for root and the user's XDG data folder for others."""
    if chosen := os.environ.get("CRASHSCOUT_DATA_DIR"):
        return Path(chosen).expanduser()
    if os.geteuid() == 0:
        return Path("/var/lib/crashscout")
    if data_home := os.environ.get("XDG_DATA_HOME"):
        return Path(data_home) / "crashscout"
    return Path.home() / ".local" / "share" / "crashscout"


def make_data_folder(folder: Path) -> None:
    """Create the missing levels; under root so that the engines' user can pass, whatever the umask is."""
    missing = [level for level in (folder, *folder.parents) if not level.exists()]
    for level in reversed(missing):
        level.mkdir(exist_ok=True)
        level.chmod(0o711 if os.geteuid() == 0 else 0o700)


def check_reachable(folder: Path, user: EngineUser | None) -> None:
    if may_execute(folder, user):
        return
    who = f"user id {user.uid}, as which the engines run," if user else "this user"
    raise UnavailableError(
        f"The data folder {folder} cannot be entered by {who} because it or a folder above it is private.",
        hint=f"{_OTHER_FOLDER}, for example /var/lib/crashscout.",
    )


def make_private_folder(folder: Path, user: EngineUser | None) -> None:
    """A folder for the engines' user alone (and root); what root left there, such as a copy, is handed over."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if user is not None and folder.lstat().st_uid == 0:
        for parent, _, files in os.walk(folder):
            for path in (parent, *(os.path.join(parent, name) for name in files)):
                os.chown(path, user.uid, user.gid, follow_symlinks=False)


def choose_socket_folder(data_folder: Path, user: EngineUser | None) -> Path:
    """In the data folder where the path is short and plain enough, else in the system's temporary folder."""
    name = "crashscout-" + hashlib.blake2b(os.fsencode(data_folder), digest_size=6).hexdigest()
    temporary = [Path(parent) / name for parent in (tempfile.gettempdir(), "/tmp")]  # noqa: S108  owner is checked
    for folder in (data_folder / "sockets", *temporary):
        if _fits(folder) and may_execute(folder.parent, user):
            return folder
    raise UnavailableError(
        f"No folder for unix sockets: {data_folder} and the temporary folder have too long a path.",
        hint=f"{_OTHER_FOLDER} with a shorter path.",
    )


def _fits(folder: Path) -> bool:
    longest = os.fsencode(folder / POSTGRES_SOCKET)
    return len(longest) <= _SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(folder)) is not None


def make_socket_folder(folder: Path, user: EngineUser | None) -> None:
    """An empty private folder: stale sockets and their lock files go, the folder of a stranger does not pass."""
    if os.path.lexists(folder):
        allowed = {os.geteuid(), user.uid if user else os.geteuid()}
        if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid not in allowed:
            raise UnavailableError(
                f"{folder}, needed for unix sockets, belongs to somebody else.",
                hint=f"Remove it. {_OTHER_FOLDER} otherwise.",
            )
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    make_private_folder(folder, user)


class FolderLock:
    """One instance per data folder.

    The engines inherit the locked descriptor, so the lock outlives a killed parent until they have ended.
    """

    def __init__(self, data_folder: Path):
        self._data_folder = data_folder
        self._path = data_folder / "lock"
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def acquire(self) -> None:
        """Take the lock; wait only for the engines of a process that is already dead."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            self._wait_for(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def _wait_for(self, descriptor: int) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode().strip()
                if _is_alive(holder) or time.monotonic() > deadline:
                    raise self._conflict(holder) from None
            else:
                return
            time.sleep(POLL_S)

    def _conflict(self, holder: str) -> ConflictError:
        whose = "" if _is_alive(holder) else "engines left by the ended "
        return ConflictError(
            f"The data folder {self._data_folder} is in use by {whose}process {holder}.",
            hint="Stop that process, or choose another folder with --data-dir.",
        )

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _is_alive(pid: str) -> bool:
    """False for a zombie, killed and not yet collected, too."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):  # no such process, or no pid was written yet
        return False
