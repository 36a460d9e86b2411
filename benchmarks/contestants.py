"""Who takes part: every method of the registry, LossVal once per mode, on a problem of the protocol."""

from __future__ import annotations

from typing import get_args

from benchmarks.protocol import BenchmarkError, Problem
from worker.lossval.config import LossValConfig, Mode
from worker.lossval.methods import METHODS, ValuationMethod, make_method
from worker.lossval.problem import ValuationProblem

LOSSVAL = tuple(f"lossval_{mode}" for mode in get_args(Mode))
CONTESTANTS = (*LOSSVAL, *(name for name in METHODS if name != "lossval"))


def contestant(name: str) -> ValuationMethod:
    """The method of that name with its default settings.

    Args:
        name: one of `CONTESTANTS`.

    Raises:
        BenchmarkError: there is none of that name.
    """
    if name not in CONTESTANTS:
        raise BenchmarkError(f"no method '{name}'; choose from {', '.join(CONTESTANTS)}")
    if name in LOSSVAL:
        mode: Mode = next(mode for mode in get_args(Mode) if name == f"lossval_{mode}")
        return make_method("lossval", LossValConfig(mode=mode))
    return make_method(name)


def to_be_valued(problem: Problem) -> ValuationProblem:
    """What a method may see of a draw: noisy training and validation rows, never the test rows."""
    return ValuationProblem(problem.X_train, problem.y_train, problem.X_val, problem.y_val, task=problem.task)
