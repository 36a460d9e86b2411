"""Zero offset, polarity, integration of accelerations and differentiation of velocities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.signals.channel import Channel

# A sample this close to t = 0, in sampling intervals, is the sample at t = 0.
ZERO_TOLERANCE_SAMPLES = 1e-6


def remove_offset(channel: Channel) -> Channel:
    """Subtract the mean of the samples before t = 0; unchanged when there are none.

    Args:
        channel: n samples of any quantity. O(n).

    Returns:
        The channel with zero mean before the first contact.
    """
    before = channel.time_s < -ZERO_TOLERANCE_SAMPLES * channel.sample_interval_s
    if not before.any():
        return channel
    return channel.with_values(channel.values - channel.values[before].mean())


def forward_positive(channel: Channel) -> tuple[Channel, bool]:
    """Turn a frontal-crash acceleration so that braking is negative (SAE J211).

    Some laboratories mount or record with the opposite sign; a car that is stopped must have lost
    speed, so the sign of the integral tells. O(n).

    Returns:
        The channel in J211 polarity, and whether it had to be turned.
    """
    speed_change = velocity(channel, 0.0)[-1]
    if speed_change <= 0:
        return channel, False
    return channel.with_values(-channel.values), True


def velocity(channel: Channel, initial_speed_mps: float) -> NDArray[np.float64]:
    """Integrate an acceleration from t = 0 by the trapezoidal rule.

    Args:
        channel: acceleration, n samples, any known unit.
        initial_speed_mps: speed at t = 0 (and, by convention, before it) in m/s.

    Returns:
        Speed in m/s at the channel's sample times, shape (n,); `initial_speed_mps` up to t = 0.
        A record that starts after t = 0 is integrated from its first sample. O(n).

    Raises:
        InputError: the channel's unit is not one of acceleration.
    """
    acceleration = channel.to_unit("m/s2")
    return cumulative_from_zero(acceleration.time_s, acceleration.values) + initial_speed_mps


def acceleration_of(velocity_channel: Channel) -> Channel:
    """Differentiate a velocity by central differences, as solvers store nodal speeds; O(n).

    Args:
        velocity_channel: velocity, n samples, any known unit.

    Returns:
        The acceleration in m/s2 on the same grid; its integral is the velocity again, but for what
        changes within two samples.

    Raises:
        InputError: the channel is not a velocity.
    """
    speed = velocity_channel.to_unit("m/s")
    slope = np.gradient(speed.values, speed.sample_interval_s)
    return replace(speed, values=slope, unit="m/s2", quantity="acceleration")


def cumulative_from_zero(time_s: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trapezoidal integral from t = 0 to each sample, 0 for samples before it; shape (n,), O(n)."""
    steps = 0.5 * (values[1:] + values[:-1]) * np.diff(time_s)
    integral = np.concatenate([[0.0], np.cumsum(steps)])
    if time_s[0] < 0 <= time_s[-1]:
        integral -= _integral_at_zero(time_s, values, integral)
    elif time_s[-1] < 0:
        integral[:] = 0.0
    integral[time_s < 0] = 0.0
    return integral


def _integral_at_zero(
    time_s: NDArray[np.float64], values: NDArray[np.float64], integral: NDArray[np.float64]
) -> float:
    """The running integral at t = 0, exact for values that are linear between two samples."""
    last_before = int(np.searchsorted(time_s, 0.0, side="left")) - 1
    value_at_zero = float(np.interp(0.0, time_s, values))
    return float(integral[last_before] - 0.5 * (values[last_before] + value_at_zero) * time_s[last_before])
