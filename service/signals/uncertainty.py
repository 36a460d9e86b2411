"""How far a ROLC label can be trusted: standard uncertainty from rule, redundant sensors, gain and offset.

Each cause is varied and the label computed again; the largest change a is the half-width of a rectangular
distribution, with standard uncertainty a / sqrt(3), and causes add in squares (JCGM 100:2008, GUM, 4.3.7
and 5.1.2). Sizes of the causes: measured on NHTSA test 10146, docs/readers.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.signals.channel import Channel
from service.signals.rolc import (
    ROLC_DEFINITIONS,
    RolcResult,
    prepare,
    real_occupant_load_criterion,
)

GAIN_ERROR = 0.01  # calibration of a crash accelerometer: 1 %
OFFSET_ERROR_G = 0.2  # left in a record that has no samples before the first contact
DISAGREEMENT_G = 0.5


@dataclass(frozen=True)
class LabelUncertainty:
    """Standard uncertainty of one label in g; lower is better.

    Attributes:
        total_g: root of the sum of squares of the components.
        components_g: by cause: `definition`, `redundant_sensors`, `gain`, `offset`.
        by_definition_g: the label of each definition, None where it gives none.
        flags: `sensor_disagreement` when another sensor alone moves the label by more than 0.5 g or gives
            none; `definition_without_label` when another definition gives none, so that its part is unknown.
    """

    total_g: float
    components_g: Mapping[str, float]
    by_definition_g: Mapping[str, float | None]
    flags: tuple[str, ...]


def label_uncertainty(
    label: RolcResult,
    vehicles: Sequence[Channel],
    chests: Sequence[Channel],
    initial_speed_mps: float,
) -> LabelUncertainty | None:
    """Vary what a label was made of. O((definitions + sensors) * n).

    Args:
        label: the result for `vehicles[0]` and `chests[0]`.
        vehicles: the pulse that was used, then others that might have been (one side, redundant sensors).
        chests: the chest that was used, then its redundant sensors.
        initial_speed_mps: speed at t = 0 in m/s.

    Returns:
        None when there is no label.

    Raises:
        InputError: as `real_occupant_load_criterion` for the channels of the label.
    """
    if label.rolc_g is None:
        return None
    rule = ROLC_DEFINITIONS[label.label_definition]
    # Filtered once: the rule takes a channel of its own filter class as it is.
    pulses = [prepare(channel, rule.vehicle_cfc, "vehicle")[0] for channel in vehicles]
    signals = [prepare(channel, rule.chest_cfc, "chest")[0] for channel in chests]
    pulse, chest = pulses[0], signals[0]

    def rolc_g(
        vehicle: Channel = pulse, occupant: Channel = chest, name: str = label.label_definition
    ) -> float | None:
        return real_occupant_load_criterion(vehicle, occupant, initial_speed_mps, name).rolc_g

    by_definition = {name: rolc_g(name=name) for name in ROLC_DEFINITIONS}
    sensors = [rolc_g(vehicle=other) for other in pulses[1:]] + [
        rolc_g(occupant=other) for other in signals[1:]
    ]
    gains = [
        rolc_g(occupant=chest.with_values(chest.values * (1 + error))) for error in (-GAIN_ERROR, GAIN_ERROR)
    ]
    changes = {
        "definition": _largest_change(label.rolc_g, by_definition.values()),
        "redundant_sensors": _largest_change(label.rolc_g, sensors),
        "gain": _largest_change(label.rolc_g, gains),
        "offset": _offset_change(label, chests[0]),
    }
    components = {cause: change / math.sqrt(3) for cause, change in changes.items()}
    disagree = changes["redundant_sensors"] > DISAGREEMENT_G or None in sensors
    unknown = None in by_definition.values()
    return LabelUncertainty(
        total_g=math.hypot(*components.values()),
        components_g=components,
        by_definition_g=by_definition,
        flags=("sensor_disagreement",) * disagree + ("definition_without_label",) * unknown,
    )


def _largest_change(label_g: float, others_g: Iterable[float | None]) -> float:
    return max((abs(other - label_g) for other in others_g if other is not None), default=0.0)


def _offset_change(label: RolcResult, chest: Channel) -> float:
    """A constant error of the chest is an error of its mean deceleration: it moves the label by itself."""
    return OFFSET_ERROR_G if "no_pretrigger_chest" in label.flags and chest.start_s >= 0 else 0.0
