"""Postgres: its data directory, its command line, what a killed one leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from sqlalchemy import URL

from service.embedded.folders import POSTGRES_PORT, make_private_folder
from service.embedded.processes import EngineProcess, EngineUser

DATABASE = "crashscout"
ROLE = "crashscout"
_UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_DURABLE = dict.fromkeys(_UNSAFE_AND_FAST, "on")


def data_major(data: Path) -> int | None:
    """The major version that wrote this data directory, None when there is none yet."""
    version = data / "PG_VERSION"
    return int(version.read_text()) if version.exists() else None


def initialise(
    data: Path,
    initdb: Path,
    *,
    durable: bool,
    spawner: ThreadPoolExecutor,
    user: EngineUser | None,
    lock_fd: int,
) -> None:
    """Make the data directory beside its place and move it there whole: a killed initdb leaves no half of one."""
    unfinished = data.with_name(f"{data.name}.new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    make_private_folder(unfinished, user)
    # Trust is safe here: whoever reaches the socket has passed its private folder.
    options = ["--username", ROLE, "--auth=trust", "--encoding=UTF8", "--no-locale", "--data-checksums"]
    command = [str(initdb), "-D", str(unfinished), *options]
    if not durable:
        command.append("--no-sync")
    log = data.with_name("initdb.log")
    process = EngineProcess(
        "initdb", command, log=log, stop_signal=signal.SIGKILL, kill_signal=signal.SIGKILL
    )
    process.start(spawner, user=user, lock_fd=lock_fd)
    try:
        process.wait_until_done()
    except BaseException:
        process.request_stop()
        process.wait_until_stopped()
        raise
    unfinished.rename(data)


def remove_stale_pid_file(data: Path) -> None:
    """Postgres refuses to start when the pid in the file is again alive as some other program.

    That is common after a container restarts, where pids repeat. A postmaster works in its data directory,
    so a process elsewhere is none; for any other case Postgres decides itself.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = pid_file.read_text().partition("\n")[0]
    try:
        is_other_program = Path(os.readlink(f"/proc/{pid}/cwd")) != data
    except OSError:
        return
    if is_other_program:
        pid_file.unlink()


def command(postgres: Path, data: Path, sockets: Path, *, durable: bool) -> list[str]:
    """The command line; its settings go before those in postgresql.conf."""
    settings = {
        "listen_addresses": "",
        "port": str(POSTGRES_PORT),
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        **(_DURABLE if durable else _UNSAFE_AND_FAST),
    }
    return [str(postgres), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]


def database_url(sockets: Path, database: str) -> URL:
    query = {"host": str(sockets), "port": str(POSTGRES_PORT)}
    return URL.create("postgresql+psycopg", username=ROLE, database=database, query=query)


def connect(sockets: Path) -> psycopg.Connection:
    return psycopg.connect(
        host=str(sockets),
        port=POSTGRES_PORT,
        user=ROLE,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def answers(sockets: Path) -> bool:
    try:
        connect(sockets).close()
    except psycopg.OperationalError:
        return False
    return True


def create_database_if_absent(sockets: Path) -> None:
    with connect(sockets) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")
