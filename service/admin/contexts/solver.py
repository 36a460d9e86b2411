"""The inputs for a source's own solver, which the wizard and the settings share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SolverInputs:
    """What the inputs hold: texts by their names; (path, text) of each input file, with an empty one for one more."""

    values: Mapping[str, str]
    files: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class SolverChoices:
    """What may be chosen, each with its words.

    `oracles`: who runs a simulation; `readers`: of the result; `allowed`: programs that an operator lets workers run.
    """

    oracles: Mapping[str, str]
    readers: Mapping[str, str]
    allowed: Sequence[str]
