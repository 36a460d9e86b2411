"""Runs a worker's command, and ends with the worker: a script of its own, the leader of the command's process group.

The worker holds the other end of our standard input, and that end closes when the worker dies, however it dies.
Then the whole group is killed: a solver and the processes that it started in turn.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading

CANNOT_START = 127


def main() -> int:
    """Start the command of the order in our first argument; the status that a shell would give."""
    order = json.loads(sys.argv[1])
    # Not SIG_IGN, which the command would inherit: we outlive a polite stop to tell how the command took it.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        command = subprocess.Popen(
            order["command"],
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: _limit(order["memory_bytes"]),  # noqa: PLW1509  there are no threads yet
        )
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"cannot be started: {error}\n")
        return CANNOT_START
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    status = command.wait()
    return status if status >= 0 else 128 - status


def _limit(memory_bytes: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _end_with_the_worker() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
