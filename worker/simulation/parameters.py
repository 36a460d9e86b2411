"""From the features of a design to the physical parameters of the lumped-mass model, in SI units.

The constants are engineering estimates chosen so that the default fleet has the means and deviations
of the NHTSA frontal tests (`tests/worker/simulation/test_fleet.py`); no single vehicle is reproduced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from worker.simulation.schema import Design, check_design

Array: TypeAlias = NDArray[np.float64]
Fidelity: TypeAlias = Literal["test", "simulation"]

BELT_LENGTH_M = 2.2
WEBBING_REFERENCE_N = 10e3


@dataclass(frozen=True)
class Body:
    """Body style: length over which the rails saturate, pitch of their folds, stiffness of unloading."""

    rail_saturation_m: float
    fold_pitch_m: float
    unloading_ratio: float


@dataclass(frozen=True)
class Dummy:
    """Effective chest mass; stiffness of the thorax under the belt, of pelvis and knees, of the air bag.

    The air bag meets a small occupant with its low stage.
    """

    chest_mass_kg: float
    thorax_n_per_m: float
    pelvis_n_per_m: float
    bag_n_per_m: float


BODIES: Mapping[str, Body] = MappingProxyType({
    "hatchback": Body(0.23, 0.110, 44.0),
    "sedan": Body(0.25, 0.120, 46.0),
    "suv": Body(0.26, 0.130, 36.0),
    "pickup": Body(0.30, 0.160, 58.0),
    "van": Body(0.22, 0.140, 38.0),
})  # fmt: skip
# Slope of the second rise over the first: an engine block is stiffer than a drive unit in its cradle.
ENGINE_RATIO: Mapping[str, float] = MappingProxyType({
    "combustion": 0.55, "hybrid": 0.60, "battery_electric": 0.30,
})  # fmt: skip
# Webbing pulled in over 8 ms when nothing resists.
PULL_IN_M: Mapping[str, float] = MappingProxyType({
    "none": 0.0, "retractor": 0.06, "buckle": 0.075, "double": 0.11,
})  # fmt: skip
DUMMIES: Mapping[str, Dummy] = MappingProxyType({
    "hybrid_iii_05f": Dummy(23.0, 80e3, 5e3, 21e3),
    "hybrid_iii_50m": Dummy(30.0, 105e3, 7e3, 27e3),
    "thor_50m": Dummy(31.0, 75e3, 7e3, 27e3),
})  # fmt: skip


@dataclass(frozen=True)
class Parameters:
    """What the equations of motion need; every field has shape (n,), SI units."""

    speed_mps: Array
    vehicle_mass_kg: Array
    rail_n_per_m: Array
    rail_saturation_m: Array
    fold_share: Array
    fold_pitch_m: Array
    engine_n_per_m: Array
    engine_contact_m: Array
    firewall_contact_m: Array
    rate_hardening_s_per_m: Array
    unloading_n_per_m: Array
    chest_mass_kg: Array
    belt_n_per_m: Array
    belt_slack_m: Array
    belt_limit_n: Array
    pull_in_m: Array
    fire_time_s: Array
    bag_n_per_m: Array
    bag_leak_per_s: Array
    bag_fill_s: Array
    wheel_gap_m: Array
    pelvis_gap_m: Array
    pelvis_n_per_m: Array


def parameters_of(designs: Sequence[Mapping[str, object]], fidelity: Fidelity) -> Parameters:
    """Physical parameters of n designs. O(n).

    `simulation` stands for an honest but imperfect finite-element model of the same design: mesh and
    material cards make the structure 4 % stiffer, rail folding is smeared out, strain-rate hardening
    is half of the real one, the air bag leaks 10 % less, and the film-spool part of the belt slack is
    missing. The bias against the physical test is therefore deterministic and depends on the design.

    Raises:
        DesignError: a feature is missing or out of range.
    """
    checked = [check_design(design) for design in designs]
    is_model = fidelity == "simulation"
    structure = _structure(checked, stiffness=1.04 if is_model else 1.0, rate=0.5 if is_model else 1.0)
    if is_model:
        structure["fold_share"] = np.zeros(len(checked))
    restraint = _restraint(checked, leak=0.9 if is_model else 1.0, slack=0.6 if is_model else 1.0)
    values = structure | restraint
    return Parameters(**{field.name: values[field.name] for field in fields(Parameters)})


def _numbers(designs: Sequence[Design], name: str) -> Array:
    return np.array([design[name] for design in designs], dtype=np.float64)


def _looked_up(designs: Sequence[Design], name: str, table: Mapping[str, float]) -> Array:
    return np.array([table[str(design[name])] for design in designs], dtype=np.float64)


def _structure(designs: Sequence[Design], *, stiffness: float, rate: float) -> dict[str, Array]:
    slope = 1e3 * stiffness * _numbers(designs, "front_stiffness_kn_per_m")
    saturation = {name: body.rail_saturation_m for name, body in BODIES.items()}
    pitch = {name: body.fold_pitch_m for name, body in BODIES.items()}
    unloading = {name: body.unloading_ratio for name, body in BODIES.items()}
    # High-strength steels of newer bodies harden less with strain rate; years since 1995, per m/s.
    age = _numbers(designs, "model_year") - 1995
    dummy_mass = {name: dummy.chest_mass_kg for name, dummy in DUMMIES.items()}
    return {
        "speed_mps": _numbers(designs, "impact_speed_kmh") / 3.6,
        "vehicle_mass_kg": _numbers(designs, "test_mass_kg") - _looked_up(designs, "dummy", dummy_mass),
        "rail_n_per_m": slope,
        "rail_saturation_m": _looked_up(designs, "body_type", saturation),
        "fold_share": np.full(len(designs), 0.22),
        "fold_pitch_m": _looked_up(designs, "body_type", pitch),
        "engine_n_per_m": slope * _looked_up(designs, "powertrain", ENGINE_RATIO),
        "engine_contact_m": 1e-3 * _numbers(designs, "engine_clearance_mm"),
        "firewall_contact_m": 1e-3 * _numbers(designs, "crush_space_mm"),
        "rate_hardening_s_per_m": rate * (0.026 - 0.0005 * age),
        "unloading_n_per_m": slope * _looked_up(designs, "body_type", unloading),
    }


def _restraint(designs: Sequence[Design], *, leak: float, slack: float) -> dict[str, Array]:
    thorax = _looked_up(designs, "dummy", {name: dummy.thorax_n_per_m for name, dummy in DUMMIES.items()})
    pelvis = _looked_up(designs, "dummy", {name: dummy.pelvis_n_per_m for name, dummy in DUMMIES.items()})
    elongation = _numbers(designs, "webbing_elongation_percent") / 100
    webbing = WEBBING_REFERENCE_N / (elongation * BELT_LENGTH_M)
    has_knee_bag = _numbers(designs, "knee_air_bag") > 0
    vent_mm = _numbers(designs, "air_bag_vent_mm")
    return {
        "chest_mass_kg": _looked_up(
            designs, "dummy", {name: dummy.chest_mass_kg for name, dummy in DUMMIES.items()}
        ),
        "belt_n_per_m": 1 / (1 / webbing + 1 / thorax),
        "belt_slack_m": 1e-3 * slack * _numbers(designs, "belt_slack_mm"),
        "belt_limit_n": 1e3 * _numbers(designs, "load_limiter_kn"),
        "pull_in_m": _looked_up(designs, "pretensioner", PULL_IN_M),
        "fire_time_s": 1e-3 * _numbers(designs, "restraint_fire_time_ms"),
        "bag_n_per_m": _looked_up(
            designs, "dummy", {name: dummy.bag_n_per_m for name, dummy in DUMMIES.items()}
        ),
        "bag_leak_per_s": leak * 14.0 * (vent_mm / 45.0) ** 2,
        "bag_fill_s": 1e-3 * (32 - 0.3 * (_numbers(designs, "model_year") - 1995)),
        "wheel_gap_m": 1e-3 * _numbers(designs, "chest_to_wheel_mm"),
        "pelvis_gap_m": np.where(has_knee_bag, 0.06, 0.11),
        "pelvis_n_per_m": pelvis * np.where(has_knee_bag, 1.8, 1.0),
    }
