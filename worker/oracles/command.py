"""From a planned design to a label by a solver: folder, input files, command, result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.acquisitions.schemas import Completion
from service.campaigns.oracles import CommandOracle, is_allowed
from service.campaigns.placeholders import render
from worker.oracles.errors import SolverError
from worker.oracles.process import LOG_NAME, Ended, Limits, explain_status, run_command
from worker.oracles.results import read_result

MIB = 2**20
# Without these hardly anything runs; the rest is named by the source.
ALWAYS_PASSED = ("PATH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Order:
    """One design for one solver.

    Attributes:
        oracle: the source's settings.
        design: planned features.
        recommendation_id: stands in arguments and input files where they ask for it.
        definition: rule of the campaign's labels.
        folder: working folder; it must not exist.
        allowed: executables that an operator lets this worker run.
    """

    oracle: CommandOracle
    design: Mapping[str, Any]
    recommendation_id: int
    definition: str
    folder: Path
    allowed: Sequence[Path]


def _unheard(_line: str) -> None:
    """Nobody listens: the log is in its file."""


def solve(order: Order, alive: Callable[[float], None], hear: Callable[[str], None] = _unheard) -> Completion:
    """Run the solver and read its label.

    Args:
        order: see there.
        alive: called every 0.2 s with the seconds of the run; what it raises stops the solver.
        hear: told each line that the solver writes, from another thread.

    Returns:
        The label; `label_details.solver` says where the run's files and its log are.

    Raises:
        SolverError: forbidden, timeout, exit code, no result: with the reason.
        CrashscoutError: what a reader says about the result.
    """
    oracle = order.oracle
    if not is_allowed(oracle.command[0], order.allowed):
        message = f"this worker may not run '{oracle.command[0]}': name it in CRASHSCOUT_ORACLE_COMMANDS"
        raise SolverError("forbidden", message)
    command = _prepared(order)
    with _readable_errors():
        ended = run_command(command, order.folder, _environment(oracle), _limits(oracle), alive, hear)
    if ended.status not in oracle.exit_codes:
        raise SolverError("exit_code", explain_status(ended))
    with _readable_errors():
        completion = read_result(order.folder, oracle.result, order.design, order.definition)
    details = (completion.label_details or {}) | {"solver": _told(order, ended)}
    return completion.model_copy(update={"label_details": details})


def _prepared(order: Order) -> list[str]:
    """The command, once its folder and input files are there."""
    values = {"folder": str(order.folder), "recommendation": order.recommendation_id, **order.design}
    try:
        command = [order.oracle.command[0], *(render(text, values) for text in order.oracle.command[1:])]
        files = {path: render(text, values) for path, text in order.oracle.input_files.items()}
    except ValueError as error:
        raise SolverError("invalid_design", str(error)) from error
    with _readable_errors():
        order.folder.mkdir(parents=True, mode=0o700)
        for path, text in files.items():
            (order.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (order.folder / path).write_text(text)
    return command


def _environment(oracle: CommandOracle) -> dict[str, str]:
    return {name: os.environ[name] for name in (*ALWAYS_PASSED, *oracle.environment) if name in os.environ}


def _limits(oracle: CommandOracle) -> Limits:
    memory_bytes = None if oracle.memory_mib is None else oracle.memory_mib * MIB
    return Limits(oracle.timeout_s, oracle.log_mib * MIB, memory_bytes)


@contextmanager
def _readable_errors() -> Iterator[None]:
    """A full disk or a folder that cannot be written ends the run, not the worker."""
    try:
        yield
    except OSError as error:
        message = f"the worker's files cannot be used: {error}; see CRASHSCOUT_FILES_DIR"
        raise SolverError("unavailable", message) from error


def _told(order: Order, ended: Ended) -> dict[str, Any]:
    return {
        "folder": str(order.folder),
        "log": LOG_NAME,
        "log_cut_bytes": ended.log_cut_bytes,
        "status": ended.status,
        "duration_s": round(ended.duration_s, 3),
    }
