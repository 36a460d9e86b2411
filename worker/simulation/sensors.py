"""What separates a physical test from the model of it: execution, sensors and mistakes.

`execute` varies what a laboratory cannot set exactly, `measure` adds the errors of the accelerometers,
`corrupt` plants the mistakes of people for demonstrations of data valuation. What was planted is
returned beside the data and belongs in the provenance only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from service.signals.channel import STANDARD_GRAVITY_MPS2
from worker.simulation.occupant_model import SimulatedCrashes
from worker.simulation.parameters import Array
from worker.simulation.schema import FEATURES, Design, check_design

CorruptionFamily: TypeAlias = Literal["label", "features", "both"]

# One standard deviation of what differs from the plan in a test that counts as valid.
EXECUTION_DEVIATION: Mapping[str, float] = MappingProxyType({
    "impact_speed_kmh": 0.2,
    "test_mass_kg": 6.0,
    "front_stiffness_kn_per_m": 20.0,
    "chest_to_wheel_mm": 4.0,
    "belt_slack_mm": 3.0,
    "restraint_fire_time_ms": 0.5,
})  # fmt: skip
CLEAR_ERROR_G = 4.0
GAIN_ERRORS = (0.6, 0.7, 1.35, 1.5)
POUNDS_PER_KG = 2.20462
KM_PER_MILE = 1.609344


@dataclass(frozen=True)
class SensorErrors:
    """Standard deviations of the errors of one accelerometer.

    Attributes:
        gain: relative; 1 % of calibration moves a ROLC by about 0.2 g.
        noise_mps2: white, per sample at 10 kHz.
        offset_g: constant over the record; the label rule removes it before t = 0.
        zero_shift_g: constant from the impact on, as of a shocked sensor; no rule removes it.
    """

    gain: float = 0.01
    noise_mps2: float = 8.0
    offset_g: float = 0.5
    zero_shift_g: float = 0.1


@dataclass(frozen=True)
class Corrupted:
    """Rows after planting, and which row got which mistake (row number to a key of `CORRUPTIONS`)."""

    designs: list[Design]
    rolc_g: list[float | None]
    kinds: dict[int, str]


def execute(designs: Sequence[Mapping[str, object]], generator: np.random.Generator) -> list[Design]:
    """What is really run when these designs are tested: `EXECUTION_DEVIATION` around the plan.

    Raises:
        DesignError: a planned feature is missing or out of range. O(n).
    """
    return [_executed(check_design(design), generator) for design in designs]


def _executed(planned: Design, generator: np.random.Generator) -> Design:
    limits = {feature.name: (feature.minimum, feature.maximum) for feature in FEATURES}
    executed = dict(planned)
    for name, deviation in EXECUTION_DEVIATION.items():
        drawn = float(planned[name]) + generator.normal(0, deviation)
        executed[name] = float(np.clip(drawn, *limits[name]))
    return executed


def measure(
    crashes: SimulatedCrashes, generator: np.random.Generator, errors: SensorErrors | None = None
) -> SimulatedCrashes:
    """The signals as accelerometers of vehicle and chest record them. O(n * samples).

    Returns:
        New crashes; speed and wall force are unchanged.
    """
    errors = errors or SensorErrors()
    return replace(
        crashes,
        vehicle_acceleration_mps2=_recorded(
            crashes.vehicle_acceleration_mps2, crashes.time_s, generator, errors
        ),
        chest_acceleration_mps2=_recorded(crashes.chest_acceleration_mps2, crashes.time_s, generator, errors),
    )


def _recorded(
    signal_mps2: Array, time_s: Array, generator: np.random.Generator, errors: SensorErrors
) -> Array:
    per_sensor = (signal_mps2.shape[0], 1)
    gain = 1 + generator.normal(0, errors.gain, per_sensor)
    offset = generator.normal(0, errors.offset_g * STANDARD_GRAVITY_MPS2, per_sensor)
    shift = generator.normal(0, errors.zero_shift_g * STANDARD_GRAVITY_MPS2, per_sensor)
    noise = generator.normal(0, errors.noise_mps2, signal_mps2.shape)
    return gain * signal_mps2 + offset + shift * (time_s >= 0) + noise


@dataclass(frozen=True)
class _Rows:
    """The clean rows from which a mistake may take a wrong value."""

    designs: list[Design]
    rolc_g: list[float]

    def other(self, row: int, generator: np.random.Generator, *, differs: Array) -> int:
        """A random row where `differs` is largest or clear; never `row` itself."""
        differs = np.where(np.arange(differs.size) == row, -np.inf, differs)
        clear = np.flatnonzero(differs >= CLEAR_ERROR_G)
        return int(generator.choice(clear)) if clear.size else int(np.argmax(differs))


_Mistake: TypeAlias = Callable[[_Rows, int, np.random.Generator], tuple[Design, float] | None]


def _label_gain(rows: _Rows, row: int, generator: np.random.Generator) -> tuple[Design, float]:
    return rows.designs[row], rows.rolc_g[row] * float(generator.choice(GAIN_ERRORS))


def _label_of_other_test(rows: _Rows, row: int, generator: np.random.Generator) -> tuple[Design, float]:
    differs = np.abs(np.array(rows.rolc_g) - rows.rolc_g[row])
    return rows.designs[row], rows.rolc_g[rows.other(row, generator, differs=differs)]


def _mass_in_pounds(rows: _Rows, row: int, _: np.random.Generator) -> tuple[Design, float] | None:
    return _with_number(rows, row, "test_mass_kg", float(rows.designs[row]["test_mass_kg"]) * POUNDS_PER_KG)


def _speed_in_miles(rows: _Rows, row: int, _: np.random.Generator) -> tuple[Design, float] | None:
    speed = float(rows.designs[row]["impact_speed_kmh"]) / KM_PER_MILE
    return _with_number(rows, row, "impact_speed_kmh", speed)


def _features_of_other_design(rows: _Rows, row: int, generator: np.random.Generator) -> tuple[Design, float]:
    differs = np.abs(np.array(rows.rolc_g) - rows.rolc_g[row])
    other = rows.designs[rows.other(row, generator, differs=differs)]
    taken = {feature.name: other[feature.name] for feature in FEATURES}
    return {**rows.designs[row], **taken}, rows.rolc_g[row]


def _with_number(rows: _Rows, row: int, name: str, value: float) -> tuple[Design, float] | None:
    """The row with another number, None where the range check of the schema would catch it."""
    feature = next(feature for feature in FEATURES if feature.name == name)
    if feature.minimum is None or feature.maximum is None or not feature.minimum <= value <= feature.maximum:
        return None
    return {**rows.designs[row], name: round(value, 2)}, rows.rolc_g[row]


CORRUPTIONS: Mapping[str, _Mistake] = MappingProxyType({
    "label_gain": _label_gain,
    "label_of_other_test": _label_of_other_test,
    "features_mass_in_pounds": _mass_in_pounds,
    "features_speed_in_miles": _speed_in_miles,
    "features_of_other_design": _features_of_other_design,
})  # fmt: skip


def corrupt(
    designs: Sequence[Design],
    rolc_g: Sequence[float | None],
    generator: np.random.Generator,
    *,
    share: float = 0.08,
    family: CorruptionFamily = "label",
) -> Corrupted:
    """Plant mistakes in `share` of the labelled rows, one kind a row, each kind about equally often.

    Every mistake stays inside the ranges of the schema, so that only its disagreement with the other
    rows gives it away. The inputs are not changed. O(planted * n).

    Args:
        designs: n rows of features; further keys such as `platform` stay with their row.
        rolc_g: n labels; rows without one are left alone.
        generator: the only source of chance.
        share: of the labelled rows, 0 to 1; rounded to whole rows.
        family: wrong labels, wrong features, or both.

    Raises:
        ValueError: lengths differ, the share is not within 0 to 1, or fewer than two rows have a label.
    """
    if len(designs) != len(rolc_g):
        raise ValueError(
            f"{len(designs)} designs but {len(rolc_g)} labels; give one label or None per design"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; give a number from 0 to 1")
    labelled = [row for row, value in enumerate(rolc_g) if value is not None]
    if len(labelled) < 2:
        raise ValueError(f"{len(labelled)} rows have a label; mistakes need at least two")
    clean = _Rows([dict(designs[row]) for row in labelled], [v for v in rolc_g if v is not None])
    planted = Corrupted([dict(design) for design in designs], list(rolc_g), {})
    for position in generator.permutation(len(labelled))[: round(share * len(labelled))]:
        row = labelled[position]
        kind, design, value = _mistake(clean, int(position), family, generator)
        planted.designs[row], planted.rolc_g[row], planted.kinds[row] = dict(design), value, kind
    return planted


def _mistake(
    rows: _Rows, row: int, family: CorruptionFamily, generator: np.random.Generator
) -> tuple[str, Design, float]:
    kinds = [kind for kind in CORRUPTIONS if family == "both" or kind.startswith(family)]
    possible = [(kind, made) for kind in kinds if (made := CORRUPTIONS[kind](rows, row, generator))]
    kind, (design, value) = possible[generator.integers(len(possible))]
    return kind, design, value
