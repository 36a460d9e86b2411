"""From a read crash test to one ROLC label per occupant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from service.ingest.model import CrashTest, FeatureValue, Occupant
from service.signals.channel import Channel
from service.signals.filters import ChannelFrequencyClass
from service.signals.integration import forward_positive, remove_offset
from service.signals.olc import occupant_load_criterion
from service.signals.plausibility import chest_flags
from service.signals.plausibility import pulse_flags as pulse_flags_of
from service.signals.rolc import (
    DEFAULT_DEFINITION,
    ROLC_DEFINITIONS,
    RolcResult,
    prepare,
    real_occupant_load_criterion,
)
from service.signals.uncertainty import LabelUncertainty, label_uncertainty

# Outside these a label is a sensor or polarity fault and not a hard car; inside but outside the usual
# range it is kept and flagged. 1,122 NHTSA tests: OLC 17-44.5 g, ROLC about 26 g with sd 4 g.
POSSIBLE_G = (5.0, 80.0)
USUAL_ROLC_G = (10.0, 45.0)
FRONTAL_WITHIN_DEG = 30.0
OLC_CFC: ChannelFrequencyClass = 180  # Euro NCAP TB 027


@dataclass(frozen=True)
class OccupantLabel:
    """Label, evidence and features of one occupant.

    Attributes:
        role: driver, passenger ...; `location` is the source's seat code.
        rolc_g, t1_ms, t2_ms: None when the label does not exist; `flags` say why.
        olc_g: OLC of the vehicle pulse, the same for all occupants of a car.
        channels: vehicle sensors first, then the chest.
        features: of test, car and occupant, known before the test.
        uncertainty_g: standard uncertainty of `rolc_g`, lower is better; None without a label.
        uncertainty_components_g: its parts by cause.
        rolc_by_definition_g: what each label definition makes of the same signals.
        filters: channel frequency class by role.
    """

    role: str
    location: str
    rolc_g: float | None
    olc_g: float | None
    t1_ms: float | None
    t2_ms: float | None
    label_definition: str
    channels: tuple[str, ...]
    flags: tuple[str, ...]
    features: Mapping[str, FeatureValue]
    uncertainty_g: float | None = None
    uncertainty_components_g: Mapping[str, float] = field(default_factory=dict)
    rolc_by_definition_g: Mapping[str, float | None] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)


def label_occupants(test: CrashTest, *, definition: str = DEFAULT_DEFINITION) -> list[OccupantLabel]:
    """ROLC of each occupant in the order of the file; an occupant without a chest signal has none.

    O(n) per occupant, definition and redundant sensor, for n samples.

    Raises:
        InputError: unknown definition, or vehicle and chest records that do not overlap.
    """
    pulse, pulse_flags = vehicle_pulse(test.vehicle)
    olc = occupant_load_criterion(prepare(pulse, OLC_CFC, "vehicle")[0], test.initial_speed_mps)
    pulse_flags += pulse_flags_of(pulse, test.initial_speed_mps, fixed_obstacle=test.fixed_obstacle)
    labels = [
        _labelled(test, occupant, pulse, pulse_flags, olc.olc_g, definition) for occupant in test.occupants
    ]
    return _with_shared_doubt(labels)


def _with_shared_doubt(labels: list[OccupantLabel]) -> list[OccupantLabel]:
    """Where sensors of one occupant disagree, files may be mixed up, and others have none to compare with."""
    if not any("sensor_disagreement" in label.flags for label in labels):
        return labels
    return [
        label
        if label.rolc_g is None or "sensor_disagreement" in label.flags
        else replace(label, flags=(*label.flags, "sensor_disagreement_in_test"))
        for label in labels
    ]


def _labelled(
    test: CrashTest,
    occupant: Occupant,
    pulse: Channel,
    pulse_flags: tuple[str, ...],
    olc_g: float | None,
    definition: str,
) -> OccupantLabel:
    result = _result(test, occupant, pulse, definition)
    trust = _trust(test, occupant, pulse, result)
    chest_name = (occupant.chest.name,) if occupant.chest is not None else ()
    return OccupantLabel(
        role=occupant.role,
        location=occupant.location,
        rolc_g=result.rolc_g,
        olc_g=olc_g,
        t1_ms=result.t1_ms,
        t2_ms=result.t2_ms,
        label_definition=result.label_definition,
        channels=(*(sensor.name for sensor in test.vehicle), *chest_name),
        flags=(
            *test.flags,
            *pulse_flags,
            *occupant.flags,
            *result.flags,
            *_doubts(test, occupant, pulse, result, trust),
        ),
        features={**test.features, **occupant.features},
        uncertainty_g=trust.total_g if trust else None,
        uncertainty_components_g=trust.components_g if trust else {},
        rolc_by_definition_g=trust.by_definition_g if trust else {},
        filters=_filters(definition),
    )


def _filters(definition: str) -> dict[str, str]:
    rule = ROLC_DEFINITIONS[definition]
    return {"vehicle": f"CFC{rule.vehicle_cfc}", "chest": f"CFC{rule.chest_cfc}", "olc": f"CFC{OLC_CFC}"}


def _doubts(
    test: CrashTest, occupant: Occupant, pulse: Channel, result: RolcResult, trust: LabelUncertainty | None
) -> tuple[str, ...]:
    """What speaks against a label, or against there being none."""
    if occupant.chest is None or "not_frontal" in result.flags:
        return ()
    if trust is None:
        others = (
            real_occupant_load_criterion(pulse, other, test.initial_speed_mps, result.label_definition)
            for other in occupant.chest_redundant
        )
        return ("sensor_disagreement",) if any(other.rolc_g is not None for other in others) else ()
    chest, _ = forward_positive(remove_offset(occupant.chest.to_unit("m/s2")))
    return chest_flags(chest, pulse, test.initial_speed_mps) + trust.flags


def _trust(
    test: CrashTest, occupant: Occupant, pulse: Channel, result: RolcResult
) -> LabelUncertainty | None:
    """Uncertainty from each side alone and the redundant sensors, whose pulses are made in the same way."""
    if occupant.chest is None:
        return None
    sides = test.vehicle if len(test.vehicle) > 1 else ()
    pulses = [pulse, *(vehicle_pulse((sensor,))[0] for sensor in (*sides, *test.vehicle_redundant))]
    chests = [occupant.chest, *occupant.chest_redundant]
    return label_uncertainty(result, pulses, chests, test.initial_speed_mps)


def vehicle_pulse(sensors: tuple[Channel, ...]) -> tuple[Channel, tuple[str, ...]]:
    """Mean of the sensors in m/s2, each freed of its offset and turned to J211 polarity before.

    Sensors on another time grid or of another filter class than the first are left out, with a flag.
    """
    flags: list[str] = []
    upright: list[Channel] = []
    for sensor in sensors:
        channel, turned = forward_positive(remove_offset(sensor.to_unit("m/s2")))
        if turned and "polarity_inverted_vehicle" not in flags:
            flags.append("polarity_inverted_vehicle")
        upright.append(channel)
    alike = [channel for channel in upright if _grid(channel) == _grid(upright[0])]
    if len(alike) < len(upright):
        flags.append("vehicle_sensor_on_other_grid_left_out")
    mean = np.mean([channel.values for channel in alike], axis=0)
    return upright[0].with_values(mean), tuple(flags)


def _grid(channel: Channel) -> tuple[int, float, float, int | None]:
    return channel.values.size, channel.sample_interval_s, channel.start_s, channel.filter_class


def _result(test: CrashTest, occupant: Occupant, pulse: Channel, definition: str) -> RolcResult:
    if not _is_frontal(test.impact_angle_deg):
        return RolcResult(None, None, None, definition, ("not_frontal",))
    if occupant.chest is None:
        return RolcResult(None, None, None, definition, ("no_usable_chest_sensor",))
    result = real_occupant_load_criterion(pulse, occupant.chest, test.initial_speed_mps, definition)
    return _judged(result)


def _is_frontal(impact_angle_deg: float | None) -> bool:
    """Whether the impact comes from the front third; an unknown angle is taken as frontal."""
    if impact_angle_deg is None:
        return True
    return abs((impact_angle_deg + 180.0) % 360.0 - 180.0) <= FRONTAL_WITHIN_DEG


def _judged(result: RolcResult) -> RolcResult:
    if result.rolc_g is None or USUAL_ROLC_G[0] <= result.rolc_g <= USUAL_ROLC_G[1]:
        return result
    possible = POSSIBLE_G[0] <= result.rolc_g <= POSSIBLE_G[1]
    flag = "outside_usual_range" if possible else "impossible_value"
    return RolcResult(
        rolc_g=result.rolc_g if possible else None,
        t1_ms=result.t1_ms,
        t2_ms=result.t2_ms,
        label_definition=result.label_definition,
        flags=(*result.flags, flag),
    )
