"""The API as a process of its own on engines of its own, for benchmarks over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from service.database.migrate import upgrade
from service.embedded import EmbeddedEngines
from service.stack import free_port

STARTS_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
# Of the processor in a second: so much a process takes that only waits.
REST_S = 0.1


@dataclass(frozen=True)
class RunningApi:
    """Where it answers, the database behind it, and how long it took to answer."""

    url: str
    database_url: str
    pid: int
    started_s: float


@contextmanager
def running_api(processes: int = 1) -> Iterator[RunningApi]:
    """Engines as in production (durable), migrated, and `crashscout api` on a free port of this machine."""
    with running_apis() as start, start(processes) as api:
        yield api


@contextmanager
def running_apis(python: str = sys.executable) -> Iterator[Callable[..., AbstractContextManager[RunningApi]]]:
    """The same engines for several APIs, each of which the given function starts (of N processes) and ends.

    `python` is the interpreter of the installation that runs them.
    """
    with tempfile.TemporaryDirectory(prefix="crashscout-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the engines may run as another user
        with EmbeddedEngines(folder) as engines:
            upgrade(engines.database_url)
            environment = {
                "CRASHSCOUT_DATABASE_URL": engines.database_url,
                "CRASHSCOUT_BROKER_URL": engines.broker_url,
                "CRASHSCOUT_FILES_DIR": str(folder / "files"),
                "CRASHSCOUT_LOG_LEVEL": "WARNING",
            }
            yield partial(_process, python, engines.database_url, environment)


@contextmanager
def _process(
    python: str, database_url: str, environment: dict[str, str], processes: int = 1
) -> Iterator[RunningApi]:
    port = free_port()
    command = [python, "-m", "service.cli", "api", "--port", str(port), "--processes", str(processes)]
    start = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        api = RunningApi(url, database_url, process.pid, time.perf_counter() - start)
        if processes > 1:
            _wait_until_at_rest(process.pid)
        yield api
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    with httpx.Client(base_url=url) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get("/health/ready").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(LOOK_EVERY_S)
    raise SystemExit(f"The API did not come up on {url} within {STARTS_WITHIN_S:.0f} s.")


def _wait_until_at_rest(pid: int) -> None:
    """The first process that is ready answers for all: wait until the others have nothing to do either."""
    before, now = -1.0, processor_s(pid)
    while now - before > REST_S:
        time.sleep(1)
        before, now = now, processor_s(pid)


def processor_s(pid: int) -> float:
    """Processor time of a process and its children so far, from the kernel's own account."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_s(int(child)) for child in children)
