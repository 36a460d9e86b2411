"""Whether an acceleration can be what a sensor in a frontal crash measures; the reasons are for people.

A wrong label costs more than a missing one, so what cannot be right is refused here, before any label:
other code then takes the redundant sensor or leaves the label out.
"""

from __future__ import annotations

import numpy as np

from service.errors import InputError
from service.signals.channel import STANDARD_GRAVITY_MPS2, Channel
from service.signals.filters import ChannelFrequencyClass, cfc_filter

FINEST_CFC: ChannelFrequencyClass = 180
LARGEST_G = 2_000.0  # crash accelerometers of chest and compartment have ranges up to 2,000 g
FLAT_G = 1.0
LATEST_START_S = 0.005
EARLIEST_END_S = 0.030
# One sample that is off by this speed moves a ROLC by about 0.05 g (a window of 70 ms).
SPIKE_MPS = 0.03
SPIKE_RATIO = 5.0
SPIKE_REACH = 5
DROPOUT_SAMPLES = 5
EQUAL_G = 1e-3
DROPOUT_G = 1.0  # twice the resolution of 12 bits over 2,000 g


def check_acceleration(channel: Channel) -> None:
    """Refuse a channel that no label may be built on. O(n).

    Args:
        channel: acceleration, n samples, any known unit, not filtered below CFC1000.

    Raises:
        InputError: too slow or short for CFC180, beyond 2,000 g, flat, without the first contact, over
            before 30 ms, with a single sample that stands out from all around it, or with a hole.
    """
    acceleration = channel.to_unit("m/s2")
    if channel.filter_class is None or channel.filter_class > FINEST_CFC:
        cfc_filter(acceleration, FINEST_CFC)
    _check_levels(acceleration)
    _check_time(acceleration)
    _check_spikes(acceleration)
    _check_dropouts(acceleration)


def _check_levels(channel: Channel) -> None:
    peak_g = float(np.abs(channel.values).max()) / STANDARD_GRAVITY_MPS2
    if peak_g > LARGEST_G:
        raise InputError(f"it reaches {peak_g:.4g} g, which no sensor there measures: is its unit right?")
    if float(np.ptp(channel.values)) < FLAT_G * STANDARD_GRAVITY_MPS2:
        raise InputError(f"it varies by less than {FLAT_G:g} g: the sensor was dead, or its unit is wrong.")


def _check_time(channel: Channel) -> None:
    end_s = float(channel.time_s[-1])
    if channel.start_s > LATEST_START_S:
        raise InputError(
            f"it starts {channel.start_s * 1e3:.4g} ms after the first contact; the speed until then is unknown."
        )
    if end_s < EARLIEST_END_S:
        raise InputError(f"it ends {end_s * 1e3:.4g} ms after the first contact, before any restraint works.")


def _check_spikes(channel: Channel) -> None:
    """A sample that jumps from both neighbours while all others around run smoothly is a bit error.

    Behind an anti-alias filter a real peak bends its neighbours too, so that the second difference of
    the samples next to it is of the same size.
    """
    values = channel.values
    if values.size < 2 * SPIKE_REACH:
        return
    bend = np.abs(np.convolve(values, [-0.5, 1.0, -0.5], mode="same"))
    bend[[0, -1]] = 0.0
    around = np.lib.stride_tricks.sliding_window_view(np.pad(bend, SPIKE_REACH), 2 * SPIKE_REACH + 1)
    elsewhere = np.delete(around, np.s_[SPIKE_REACH - 1 : SPIKE_REACH + 2], axis=1).max(axis=1)
    stands_out = (bend * channel.sample_interval_s > SPIKE_MPS) & (bend > SPIKE_RATIO * elsewhere)
    if stands_out.any():
        at = int(np.argmax(stands_out))
        jump_g = bend[at] / STANDARD_GRAVITY_MPS2
        raise InputError(
            f"sample {at + 1} ({channel.time_s[at] * 1e3:.1f} ms) jumps by {jump_g:.0f} g from both its neighbours."
        )


def _check_dropouts(channel: Channel) -> None:
    """A run of equal values that the signal jumps to and from: a recorder that held or lost its input."""
    values = channel.values
    # Where a new run begins; a hole in bytes may leave a sample at its border that is almost its value.
    borders = np.flatnonzero(np.abs(np.diff(values)) > EQUAL_G * STANDARD_GRAVITY_MPS2) + 1
    starts, ends = borders[:-1], borders[1:]
    if starts.size == 0:
        return
    jump = np.minimum(np.abs(values[starts] - values[starts - 1]), np.abs(values[ends] - values[ends - 1]))
    samples = ends - starts
    lost_mps = jump * samples * channel.sample_interval_s
    jumps = jump > DROPOUT_G * STANDARD_GRAVITY_MPS2
    holes = jumps & (samples >= DROPOUT_SAMPLES) & (lost_mps > SPIKE_MPS)
    if holes.any():
        at = int(np.argmax(holes))
        raise InputError(
            f"{samples[at]} samples from {channel.time_s[starts[at]] * 1e3:.1f} ms on are equal, with a jump of "
            f"{jump[at] / STANDARD_GRAVITY_MPS2:.1f} g before and after: a dropout."
        )
