"""3 ms clip of an acceleration."""

from __future__ import annotations

import numpy as np

from service.errors import InputError
from service.signals.channel import Channel

CLIP_S = 0.003


def clip_3ms(channel: Channel) -> float:
    """Highest magnitude that a signal holds for 3 ms without interruption.

    Args:
        channel: n samples of one axis or of a resultant, already filtered. O(n * 3 ms / interval).

    Returns:
        The level, >= 0, in the channel's unit; lower is better for the occupant.

    Raises:
        InputError: the record is shorter than 3 ms.
    """
    window = 1 + round(CLIP_S / channel.sample_interval_s)
    if window > channel.values.size:
        raise InputError(f"Channel {channel.name!r} is shorter than 3 ms.")
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(channel.values), window)
    return float(windows.min(axis=1).max())
