"""What a vehicle pulse must look like if its gain, interval, polarity and speed are right."""

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
