"""A new campaign, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from service.admin.contexts.base import Context, Frame
from service.admin.contexts.solver import SolverChoices, SolverInputs


@dataclass(frozen=True)
class StepLine:
    """A step and where it stands: `done`, `current` or `open`."""

    name: str
    label: str
    state: str


@dataclass(frozen=True)
class SourceInputs:
    """A source as texts of inputs, by their names, and those for its own solver."""

    texts: Mapping[str, str]
    solver: SolverInputs


@dataclass(frozen=True, kw_only=True)
class WizardContext(Context):
    """One step of a new campaign; nothing is stored before the last one.

    Attributes:
        frame: the layout's needs.
        step: name of the step that is shown.
        steps: all of them, in order.
        draft: the campaign so far, as it was typed.
        carried: the same as JSON, for the hidden field.
        features: rows of the feature schema, with an empty one for one more.
        conditions: rows of the target domain, with an empty one.
        sources: inputs of the sources, with an empty one.
        target: what is predicted, as it was typed.
        domain: the target domain, as it was typed.
        rule: the stop rule, as it was typed.
        kinds: of features.
        choices: who may run a simulation, and how a solver's result is read.
        libraries: (name, title, number of features) of ready-made schemas.
        left_out: (column, reason) of the table that was read last.
        told: what came of the table or library; empty: nothing was read.
    """

    template: ClassVar[str] = "wizard.html"
    frame: Frame
    step: str
    steps: Sequence[StepLine]
    draft: Mapping[str, Any]
    carried: str
    features: Sequence[Mapping[str, str]]
    conditions: Sequence[Mapping[str, str]]
    sources: Sequence[SourceInputs]
    target: Mapping[str, Any]
    domain: Mapping[str, Any]
    rule: Mapping[str, Any]
    kinds: Sequence[str]
    choices: SolverChoices
    libraries: Sequence[tuple[str, str, int]]
    left_out: Sequence[tuple[str, str]]
    told: str
