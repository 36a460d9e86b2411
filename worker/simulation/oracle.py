"""Runs one planned design as a physical test or a simulation and brings its label back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from worker.simulation.labels import CrashLabel, label
from worker.simulation.occupant_model import SimulatedCrashes, simulate
from worker.simulation.schema import Design, check_design
from worker.simulation.sensors import execute, measure

SourceKind: TypeAlias = Literal["physical_test", "simulation"]

# What a laboratory measures on the day; the other deviations of a test stay unknown to everyone.
MEASURED_FEATURES = ("impact_speed_kmh", "test_mass_kg", "chest_to_wheel_mm")


@dataclass(frozen=True)
class OracleResult:
    """Result of one acquisition.

    Attributes:
        rolc_g: the label; None when t1 or t2 is not inside the record, `details["flags"]` says why.
        label_definition: rule that made it, such as `rolc/1`.
        executed_features: the design as run: planned values, measured ones where a test differs.
        details: t1_ms, t2_ms, olc_g, vehicle_clip_3ms_mps2, chest_clip_3ms_mps2, rebound_speed_mps, flags.
    """

    rolc_g: float | None
    label_definition: str
    executed_features: Design
    details: Mapping[str, object]


def run_occupant_model(design: Mapping[str, object], *, source_kind: SourceKind, seed: int) -> OracleResult:
    """Run the built-in occupant model on one planned design.

    A physical test scatters about its plan and is measured with sensor errors, both ruled by `seed`;
    a simulation runs the plan exactly, with the bias of `parameters_of`, and does not depend on it.

    Raises:
        DesignError: a feature is missing, of the wrong kind or out of range; the message has the remedy.
        ValueError: unknown source kind.
    """
    planned = check_design(design)
    if source_kind == "simulation":
        return _result(planned, simulate([planned], "simulation"))
    if source_kind == "physical_test":
        generator = np.random.default_rng(seed)
        run = execute([planned], generator)
        executed = planned | {name: run[0][name] for name in MEASURED_FEATURES}
        return _result(executed, measure(simulate(run), generator))
    raise ValueError(f"source kind {source_kind!r} is unknown; give physical_test or simulation")


def _result(executed: Design, crashes: SimulatedCrashes) -> OracleResult:
    found = label(crashes)[0]
    return OracleResult(found.rolc_g, found.label_definition, executed, _details(found))


def _details(found: CrashLabel) -> dict[str, object]:
    return {
        "t1_ms": found.t1_ms,
        "t2_ms": found.t2_ms,
        "olc_g": found.olc_g,
        "vehicle_clip_3ms_mps2": found.vehicle_clip_3ms_mps2,
        "chest_clip_3ms_mps2": found.chest_clip_3ms_mps2,
        "rebound_speed_mps": found.rebound_speed_mps,
        "flags": list(found.flags),
    }
