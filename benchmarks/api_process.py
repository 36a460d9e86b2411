"""The API as a process of its own on engines of its own, for benchmarks over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.database.migrate import upgrade
from service.embedded import EmbeddedEngines
from service.stack import free_port

STARTS_WITHIN_S = 60.0


@dataclass(frozen=True)
class RunningApi:
    """Where it answers, and the database behind it."""

    url: str
    database_url: str
    pid: int


@contextmanager
def running_api() -> Iterator[RunningApi]:
    """Engines as in production (durable), migrated, and `crashscout api` on a free port of this machine."""
    with tempfile.TemporaryDirectory(prefix="crashscout-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the engines may run as another user
        with EmbeddedEngines(folder) as engines:
            upgrade(engines.database_url)
            environment = os.environ | {
                "CRASHSCOUT_DATABASE_URL": engines.database_url,
                "CRASHSCOUT_BROKER_URL": engines.broker_url,
                "CRASHSCOUT_FILES_DIR": str(folder / "files"),
                "CRASHSCOUT_LOG_LEVEL": "WARNING",
            }
            port = free_port()
            command = [sys.executable, "-m", "service.cli", "api", "--port", str(port)]
            process = subprocess.Popen(command, env=environment)
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_for(url, process)
                yield RunningApi(url, engines.database_url, process.pid)
            finally:
                process.terminate()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"The API did not come up on {url} within {STARTS_WITHIN_S:.0f} s.")
