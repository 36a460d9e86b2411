"""Occupant Load Criterion of a vehicle pulse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.errors import InputError
from service.signals.channel import STANDARD_GRAVITY_MPS2, Channel
from service.signals.crossing import first_time_at_or_above
from service.signals.integration import cumulative_from_zero, forward_positive, velocity

FREE_FLIGHT_M = 0.065
RESTRAINED_M = 0.235


@dataclass(frozen=True)
class OlcResult:
    """OLC in g with its window in ms; None where the record ends before the phase does."""

    olc_g: float | None
    t1_ms: float | None
    t2_ms: float | None


def occupant_load_criterion(vehicle: Channel, initial_speed_mps: float) -> OlcResult:
    """Mean deceleration of an ideally restrained occupant in this vehicle; lower is better.

    The occupant flies freely until it has moved 65 mm against the vehicle (t1), then loses speed
    evenly until it has moved a further 235 mm and has the vehicle's speed (t2):
    OLC = (V0 - V(t2)) / (t2 - t1). Times are interpolated between samples. O(n).

    Source: Euro NCAP technical bulletin TB 027; displacements as in Oasys T/HIS and pyisomme.

    Args:
        vehicle: x acceleration of the vehicle, filtered and free of offset, n samples.
        initial_speed_mps: vehicle speed at t = 0 in m/s, > 0.

    Returns:
        OLC in g, t1 and t2 in ms; None for what lies after the end of the record.

    Raises:
        InputError: speed not positive and finite, or unit not one of acceleration.
    """
    check_initial_speed(initial_speed_mps)
    upright, _ = forward_positive(vehicle.to_unit("m/s2"))
    after = upright.time_s >= 0
    time_s, speed_mps = upright.time_s[after], velocity(upright, initial_speed_mps)[after]
    if time_s.size == 0:
        return OlcResult(None, None, None)
    lead_m = cumulative_from_zero(time_s, initial_speed_mps - speed_mps)
    t1_s = first_time_at_or_above(time_s, lead_m, FREE_FLIGHT_M)
    if t1_s is None:
        return OlcResult(None, None, None)
    # On the ramp the occupant loses (V0 - V(t2)) / 2 of speed on average until t2.
    ramp_lead_m = lead_m - FREE_FLIGHT_M - 0.5 * (initial_speed_mps - speed_mps) * (time_s - t1_s)
    later = time_s > t1_s
    t2_s = first_time_at_or_above(time_s[later], ramp_lead_m[later], RESTRAINED_M)
    if t2_s is None:
        return OlcResult(None, t1_s * 1e3, None)
    lost_mps = initial_speed_mps - float(np.interp(t2_s, time_s, speed_mps))
    return OlcResult(lost_mps / (t2_s - t1_s) / STANDARD_GRAVITY_MPS2, t1_s * 1e3, t2_s * 1e3)


def check_initial_speed(initial_speed_mps: float) -> None:
    """Refuse a speed with which no frontal crash begins."""
    if not (np.isfinite(initial_speed_mps) and initial_speed_mps > 0):
        raise InputError(f"The initial speed is {initial_speed_mps} m/s; it must be positive.")
