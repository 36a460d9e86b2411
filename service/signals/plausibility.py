"""What a vehicle pulse and a chest must look like if gain, interval, polarity and speed are right."""

from __future__ import annotations

import numpy as np

from service.signals.channel import STANDARD_GRAVITY_MPS2, Channel
from service.signals.integration import velocity

# Crush of 692 frontal tests at 56 km/h: mean 645 mm, sd 111 mm; above 1,000 mm the integral has drifted.
LARGEST_CRUSH_M = 1.0
LARGEST_MEAN_G = 60.0
# A car that hits something fixed loses its speed and rebounds at 2 m/s (sd 0.6).
STOPPED_SHARE = 0.9
FASTEST_REBOUND_MPS = 5.0
# A chest is thrown back by belt and seat, at most at about half the impact speed.
CHEST_REBOUND_SHARE = 0.5


def pulse_flags(
    vehicle: Channel, initial_speed_mps: float, *, fixed_obstacle: bool | None
) -> tuple[str, ...]:
    """Flags of a vehicle pulse that contradicts its test; the label stays, people must look. O(n).

    Args:
        vehicle: x acceleration in J211 polarity, free of offset, n samples.
        initial_speed_mps: speed at t = 0 in m/s.
        fixed_obstacle: whether the car hit something that does not move; unknown counts as yes.

    Returns:
        `crush_implausible`: the car moves more than 1 m until it stands, or less than 60 g on average
        would take. `speed_change_implausible`: it keeps more than 10 % of its speed, or rebounds faster
        than 5 m/s: gain, sampling interval or the speed itself is wrong. A moving obstacle is not judged.
    """
    if fixed_obstacle is False:
        return ()
    after = vehicle.time_s >= 0
    speed_mps = velocity(vehicle, initial_speed_mps)[after]
    flags = []
    crush_m = float(np.max(np.cumsum(speed_mps))) * vehicle.sample_interval_s
    shortest_m = initial_speed_mps**2 / (2 * LARGEST_MEAN_G * STANDARD_GRAVITY_MPS2)
    if not shortest_m <= crush_m <= LARGEST_CRUSH_M:
        flags.append("crush_implausible")
    slowest_mps = float(speed_mps.min())
    if slowest_mps > (1 - STOPPED_SHARE) * initial_speed_mps or slowest_mps < -FASTEST_REBOUND_MPS:
        flags.append("speed_change_implausible")
    return tuple(flags)


def chest_flags(chest: Channel, vehicle: Channel, initial_speed_mps: float) -> tuple[str, ...]:
    """Flags of a chest signal that contradicts the vehicle's; the label stays, people must look. O(n).

    Args:
        chest: x acceleration in J211 polarity, free of offset, n samples.
        vehicle: the same of the vehicle.
        initial_speed_mps: common speed at t = 0 in m/s.

    Returns:
        `chest_on_other_grid`: interval or start differ from the vehicle's, though one recorder takes both:
        a time shift or factor moves the label. `chest_speed_implausible`: the chest keeps more than half of
        the impact speed, or is thrown back faster than that: its gain, interval or polarity is wrong.
    """
    flags = []
    intervals = chest.sample_interval_s, vehicle.sample_interval_s
    same_interval = abs(intervals[0] - intervals[1]) <= 1e-6 * intervals[1]
    if not same_interval or abs(chest.start_s - vehicle.start_s) > 1e-3 * intervals[1]:
        flags.append("chest_on_other_grid")
    slowest_mps = float(velocity(chest, initial_speed_mps).min())
    if abs(slowest_mps) > CHEST_REBOUND_SHARE * initial_speed_mps:
        flags.append("chest_speed_implausible")
    return tuple(flags)
