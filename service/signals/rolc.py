"""Real Occupant Load Criterion: how hard the chest of a real occupant is braked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from service.signals.channel import STANDARD_GRAVITY_MPS2, Channel
from service.signals.crossing import first_index_at_or_above
from service.signals.filters import ChannelFrequencyClass, cfc_filter
from service.signals.integration import cumulative_from_zero, forward_positive, remove_offset, velocity
from service.signals.olc import check_initial_speed

DEFAULT_DEFINITION = "rolc/1"
ONSET_G = 5.0
ONSET_HOLD_S = 0.001
ONSET_UNSURE_S = 0.003
ONSET_EARLY_G = 3.0
ONSET_LEAD_M = 0.015


@dataclass(frozen=True)
class RolcResult:
    """ROLC in g with its window in ms and the rule that made it; None where it does not exist."""

    rolc_g: float | None
    t1_ms: float | None
    t2_ms: float | None
    label_definition: str
    flags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Motion:
    """Chest and vehicle from t = 0 on one grid, each array of shape (n,)."""

    time_s: NDArray[np.float64]
    chest_mps2: NDArray[np.float64]
    chest_mps: NDArray[np.float64]
    vehicle_mps: NDArray[np.float64]


@dataclass(frozen=True)
class RolcDefinition:
    """One version of the rule; a published label keeps its version, so a definition never changes.

    Attributes:
        vehicle_cfc: filter class of the vehicle pulse.
        chest_cfc: filter class of the chest acceleration.
        find_t1: sample at which the restraint takes hold, None when it never does.
        is_ambiguous: whether another reasonable reading of the rule would move that sample far.
    """

    vehicle_cfc: ChannelFrequencyClass
    chest_cfc: ChannelFrequencyClass
    find_t1: Callable[[Motion], int | None]
    is_ambiguous: Callable[[Motion, int], bool]


def real_occupant_load_criterion(
    vehicle: Channel, chest: Channel, initial_speed_mps: float, definition: str = DEFAULT_DEFINITION
) -> RolcResult:
    """Mean deceleration of the chest from restraint contact until it has the vehicle's speed.

    ROLC = (v_chest(t1) - v_chest(t2)) / (t2 - t1) in g; lower is better. `rolc/1`: vehicle CFC60, chest
    CFC180, offset of t < 0 removed, integrated from t = 0; t1 is when the chest deceleration reaches
    5 g and holds it for 1 ms; t2 is the first time after t1 when the chest is no faster than the vehicle.
    Both are samples of the chest record: at 10 kHz the grid moves the label by less than 0.03 g.
    `rolc_3g/1` and `rolc_15mm/1` are the same with another t1: 3 g held for 1 ms, and 15 mm of chest
    displacement against the vehicle. docs/readers.md says why 5 g is the default.
    Reconstructed from the example figure of LossVal (Wibiral et al.); the text of Rabus et al. 2022,
    which introduces the criterion, was not at hand. O(n).

    Args:
        vehicle: x acceleration of the occupant compartment, n samples.
        chest: x acceleration of the occupant's chest, m samples; its grid may differ.
        initial_speed_mps: common speed at t = 0 in m/s, > 0.
        definition: a key of `ROLC_DEFINITIONS`.

    Returns:
        The label with flags. Without t1 or t2 inside both records `rolc_g` is None, never 0:
        `t1_not_reached`, `t2_not_reached`, `chest_not_faster_at_t1`. Labels to look at: `t1_ambiguous`,
        `polarity_inverted_vehicle|chest` (turned before use), `prefiltered_vehicle|chest` (a lower class
        than the definition's), `no_pretrigger_vehicle|chest` (the offset could not be removed).

    Raises:
        InputError: unknown definition, speed not positive, unit or sampling unfit for the filter.
    """
    rule = ROLC_DEFINITIONS.get(definition)
    if rule is None:
        raise InputError(
            f"{definition!r} is not a label definition.", hint=f"Known: {', '.join(ROLC_DEFINITIONS)}."
        )
    check_initial_speed(initial_speed_mps)
    vehicle, vehicle_flags = prepare(vehicle, rule.vehicle_cfc, "vehicle")
    chest, chest_flags = prepare(chest, rule.chest_cfc, "chest")
    motion = motion_of(vehicle, chest, initial_speed_mps)
    flags = vehicle_flags + chest_flags
    t1 = rule.find_t1(motion)
    if t1 is None:
        return RolcResult(None, None, None, definition, (*flags, "t1_not_reached"))
    if rule.is_ambiguous(motion, t1):
        flags += ("t1_ambiguous",)
    return _label_from(motion, t1, definition, flags)


def prepare(channel: Channel, cfc: ChannelFrequencyClass, role: str) -> tuple[Channel, tuple[str, ...]]:
    """Filter, remove the offset and turn a channel to J211 polarity; in m/s2, with what was noticed."""
    flags: list[str] = []
    channel = channel.to_unit("m/s2")
    if channel.filter_class is not None and channel.filter_class < cfc:
        flags.append(f"prefiltered_{role}")
    else:
        channel = cfc_filter(channel, cfc)
    if channel.start_s >= 0 and channel.status != "simulated":  # a solver has no zero offset
        flags.append(f"no_pretrigger_{role}")
    channel, turned = forward_positive(remove_offset(channel))
    if turned:
        flags.append(f"polarity_inverted_{role}")
    return channel, tuple(flags)


def motion_of(vehicle: Channel, chest: Channel, initial_speed_mps: float) -> Motion:
    """Car and chest from t = 0 on, on the grid of the chest record; both channels as `prepare` leaves them.

    Raises:
        InputError: the records have no common time after the first contact.
    """
    time_s = chest.time_s
    shared = (time_s >= 0) & (time_s <= vehicle.time_s[-1])
    if np.count_nonzero(shared) < 2:
        raise InputError("Vehicle and chest record have no common time after the first contact.")
    vehicle_mps = np.interp(time_s[shared], vehicle.time_s, velocity(vehicle, initial_speed_mps))
    chest_mps = velocity(chest, initial_speed_mps)[shared]
    return Motion(time_s[shared], chest.values[shared], chest_mps, vehicle_mps)


def _label_from(motion: Motion, t1: int, definition: str, flags: tuple[str, ...]) -> RolcResult:
    t1_ms = float(motion.time_s[t1]) * 1e3
    lag_mps = motion.vehicle_mps[t1:] - motion.chest_mps[t1:]
    if lag_mps[0] >= 0:
        return RolcResult(None, t1_ms, None, definition, (*flags, "chest_not_faster_at_t1"))
    caught_up = first_index_at_or_above(lag_mps, 0.0)
    if caught_up is None:
        return RolcResult(None, t1_ms, None, definition, (*flags, "t2_not_reached"))
    t2 = t1 + caught_up
    seconds = float(motion.time_s[t2] - motion.time_s[t1])
    rolc_g = float(motion.chest_mps[t1] - motion.chest_mps[t2]) / seconds / STANDARD_GRAVITY_MPS2
    return RolcResult(rolc_g, t1_ms, float(motion.time_s[t2]) * 1e3, definition, flags)


def _chest_holds(motion: Motion, level_g: float) -> int | None:
    samples = 1 + round(ONSET_HOLD_S / float(motion.time_s[1] - motion.time_s[0]))
    return first_index_at_or_above(-motion.chest_mps2, level_g * STANDARD_GRAVITY_MPS2, samples=samples)


def _chest_leads(motion: Motion, lead_m: float) -> int | None:
    ahead_m = cumulative_from_zero(motion.time_s, motion.chest_mps - motion.vehicle_mps)
    return first_index_at_or_above(ahead_m, lead_m)


def _onset_rule(
    find: Callable[[Motion, float], int | None], level: float, step: float
) -> tuple[Callable[[Motion], int | None], Callable[[Motion, int], bool]]:
    """How t1 is found at a level, and whether a step more or less would move it by over 3 ms."""

    def is_ambiguous(motion: Motion, t1: int) -> bool:
        others = (find(motion, level - step), find(motion, level + step))
        return any(
            other is None or abs(float(motion.time_s[other] - motion.time_s[t1])) > ONSET_UNSURE_S
            for other in others
        )

    return lambda motion: find(motion, level), is_ambiguous


ROLC_DEFINITIONS: Mapping[str, RolcDefinition] = MappingProxyType(
    {
        "rolc/1": RolcDefinition(60, 180, *_onset_rule(_chest_holds, ONSET_G, 1.0)),
        "rolc_3g/1": RolcDefinition(60, 180, *_onset_rule(_chest_holds, ONSET_EARLY_G, 1.0)),
        "rolc_15mm/1": RolcDefinition(60, 180, *_onset_rule(_chest_leads, ONSET_LEAD_M, 0.005)),
    }
)
