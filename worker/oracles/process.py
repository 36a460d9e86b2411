"""One command in a process group of its own: it ends by itself, by its time limit, or with its worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.oracles import guard
from worker.oracles.errors import SolverError
from worker.oracles.log import SolverLog

LOG_NAME = "solver.log"
POLL_S = 0.2
# How long a solver may take to write down its state after SIGTERM; nobody waits for one that is cancelled: its
# result is not wanted any more, and a cancellation is done within 2 s, of which the run's heartbeat takes up to 0.7 s.
STOP_GRACE_S = 10.0
CANCEL_GRACE_S = 0.5
SIGNAL_BASE = 128


@dataclass(frozen=True)
class Limits:
    """Of one command: `log_bytes` of a longer log are kept, `memory_bytes` None is no limit."""

    timeout_s: float
    log_bytes: int
    memory_bytes: int | None


@dataclass(frozen=True)
class Ended:
    """A command that has ended: the status that a shell would give, and what was cut out of its log."""

    status: int
    duration_s: float
    log_cut_bytes: int
    last_lines: str


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    limits: Limits,
    alive: Callable[[float], None],
    hear: Callable[[str], None],
) -> Ended:
    """Run a command without a shell in `folder`, its output in `folder/solver.log`.

    Args:
        command: executable and arguments.
        folder: its working folder.
        environment: all that it sees of the environment.
        limits: see there.
        alive: called every 0.2 s with the seconds that it runs; what it raises stops the command: SIGTERM to its
            whole group, SIGKILL 0.5 s later.
        hear: told each line that it writes, from another thread.

    Raises:
        SolverError: `timeout` when it had to be stopped: SIGTERM to its whole group, SIGKILL 10 s later.
    """
    started, grace_s = time.monotonic(), CANCEL_GRACE_S
    process = _start(command, folder, environment, limits)
    assert process.stdout is not None
    with SolverLog(process.stdout, folder / LOG_NAME, limits.log_bytes, hear) as log:
        try:
            in_time = _wait(process, started, limits.timeout_s, alive)
            grace_s = STOP_GRACE_S
        finally:
            _stop(process, grace_s)
    duration_s = time.monotonic() - started
    if not in_time:
        message = (
            f"timeout: the solver was stopped after {limits.timeout_s:,.0f} s. {_shown(log.last_lines())}"
        )
        raise SolverError("timeout", message)
    return Ended(process.returncode, duration_s, log.cut_bytes, log.last_lines())


def explain_status(ended: Ended) -> str:
    """Why a status that is no success may have come out."""
    status = ended.status
    if status == SIGNAL_BASE + signal.SIGKILL:
        why = " (killed: out of memory? Raise memory_mib or take a larger machine)"
    elif status == guard.CANNOT_START:
        why = " (could not be started)"
    elif SIGNAL_BASE < status < SIGNAL_BASE + signal.NSIG:
        why = f" (signal {status - SIGNAL_BASE})"
    else:
        why = ""
    return f"the solver ended with status {status}{why}. {_shown(ended.last_lines)}"


def _shown(lines: str) -> str:
    return f"The end of its log:\n{lines}" if lines else "Its log is empty."


def _start(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limits: Limits
) -> subprocess.Popen[bytes]:
    order = json.dumps({"command": list(command), "memory_bytes": limits.memory_bytes})
    return subprocess.Popen(
        [sys.executable, "-I", guard.__file__, order],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,  # its end tells the guard that we have died
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait(
    process: subprocess.Popen[bytes], started: float, timeout_s: float, alive: Callable[[float], None]
) -> bool:
    """Whether it ended by itself."""
    while True:
        try:
            process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            running_s = time.monotonic() - started
            if running_s > timeout_s:
                return False
            alive(running_s)
        else:
            return True


def _stop(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End whatever is left of the group: the command itself, or what it has left behind."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):  # what does not listen is killed below
            process.wait(grace_s)
    _signal(process, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # nothing is left of it
