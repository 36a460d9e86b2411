"""Redis or Valkey: its command line, and the note of which server wrote the append-only file."""

from __future__ import annotations

from pathlib import Path

import redis

from service.embedded.binaries import Binary
from service.embedded.folders import REDIS_SOCKET

_NOTE = "redis.written-by"  # beside the data: inside, only the engines' user may write


def written_by(data: Path) -> tuple[str, int] | None:
    """Product and major version that wrote this folder, None when it is new."""
    note = data.with_name(_NOTE)
    if not (data.exists() and note.exists()):
        return None
    product, major = note.read_text().split()
    return product, int(major)


def note_writer(data: Path, binary: Binary) -> None:
    """Write the note before the server's first start, so that no append-only file is without one."""
    data.with_name(_NOTE).write_text(f"{binary.product} {binary.major}\n")


def command(server: Path, data: Path, sockets: Path, *, durable: bool) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(sockets / REDIS_SOCKET),
        "unixsocketperm": "700",
        "dir": str(data),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",  # a queue must refuse, not forget
    }
    return [str(server), *(part for name, value in settings.items() for part in (f"--{name}", value))]


def answers(sockets: Path) -> bool:
    """False while it starts or still loads its append-only file."""
    client = redis.Redis(unix_socket_path=str(sockets / REDIS_SOCKET))
    try:
        client.ping()
    except redis.exceptions.ConnectionError:
        return False
    finally:
        client.close()
    return True
