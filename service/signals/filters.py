"""Channel frequency class filters of SAE J211-1."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from service.signals.channel import Channel

ChannelFrequencyClass = Literal[60, 180, 600, 1000]

# Design frequency of the single pass over the CFC (SAE J211-1 appendix C); with CFC * 5/3, a common
# slip, both passes together are down by 6 dB instead of 3 dB at the nominal cut-off.
DESIGN_FACTOR = 2.0775
MIN_RATE_FACTOR = 10
PADDING_S = 0.010
MIN_PADDING_SAMPLES = 100


def cfc_filter(channel: Channel, cfc: ChannelFrequencyClass) -> Channel:
    """Filter a channel to a frequency class: 2-pole Butterworth, forward and backward (zero phase).

    Ends are padded by point-mirrored samples over at least 10 ms, as in ISO 6487 annex A. A channel
    that already has this class comes back unchanged. -3 dB at 100, 300, 1018 and 1751 Hz for classes
    60, 180, 600 and 1000 at 10 kHz. O(n).

    Args:
        channel: n samples, any unit.
        cfc: 60 (vehicle pulse), 180 (chest, integration), 600 or 1000.

    Returns:
        The filtered channel, same grid and unit, `filter_class` = cfc.

    Raises:
        InputError: unknown class, sampling rate below 10 * CFC, already filtered to a lower class
            (what is gone does not come back), or too short for the padding.
    """
    if cfc not in {60, 180, 600, 1000}:
        raise InputError(f"CFC {cfc} is not a channel frequency class.", hint="Use 60, 180, 600 or 1000.")
    if channel.filter_class == cfc:
        return channel
    if channel.filter_class is not None and channel.filter_class < cfc:
        raise InputError(
            f"Channel {channel.name!r} is already filtered to CFC {channel.filter_class}; "
            f"CFC {cfc} cannot be made from it.",
            hint="Give the unfiltered channel.",
        )
    from scipy.signal import (
        sosfiltfilt,
    )  # 80 MB and a second: a web process that filters nothing is spared them

    _check_rate_and_length(channel, cfc)
    filtered = sosfiltfilt(
        _sections(cfc, channel.sample_rate_hz), channel.values, padtype="odd", padlen=_padding(channel)
    )
    return channel.with_values(np.asarray(filtered, dtype=np.float64), filter_class=cfc)


@lru_cache(maxsize=64)
def _sections(cfc: int, sample_rate_hz: float) -> NDArray[np.float64]:
    """The filter's coefficients: of a fleet of equal records they are the same, and cost more than filtering."""
    from scipy.signal import butter

    return np.asarray(butter(2, DESIGN_FACTOR * cfc, fs=sample_rate_hz, output="sos"), dtype=np.float64)


def _padding(channel: Channel) -> int:
    return max(MIN_PADDING_SAMPLES, math.ceil(PADDING_S * channel.sample_rate_hz))


def _check_rate_and_length(channel: Channel, cfc: int) -> None:
    # Tolerance: 1 / 1e-4 s is 10000.000000000002 Hz or just below 10 kHz, depending on the rounding.
    if channel.sample_rate_hz < MIN_RATE_FACTOR * cfc * (1 - 1e-9):
        raise InputError(
            f"Channel {channel.name!r} is sampled at {channel.sample_rate_hz:.0f} Hz; "
            f"CFC {cfc} needs {MIN_RATE_FACTOR * cfc} Hz or more.",
            hint="Export the signal at 10 kHz.",
        )
    if channel.values.size <= _padding(channel):
        raise InputError(
            f"Channel {channel.name!r} has {channel.values.size} samples; "
            f"a CFC filter needs more than {_padding(channel)}."
        )
