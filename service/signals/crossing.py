"""Where a sampled curve reaches a level: the sample, or the time between two samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def first_index_at_or_above(values: NDArray[np.float64], level: float, *, samples: int = 1) -> int | None:
    """First index from which `values` are at or above `level` for `samples` samples in a row.

    Args:
        values: shape (n,).
        level: in the unit of `values`.
        samples: how many must hold, the first one included. O(n * samples).

    Returns:
        The index, None when the level is never held inside the record.
    """
    if samples > values.size:
        return None
    held = np.lib.stride_tricks.sliding_window_view(values >= level, samples).all(axis=1)
    return int(np.argmax(held)) if held.any() else None


def first_time_at_or_above(
    time_s: NDArray[np.float64], values: NDArray[np.float64], level: float
) -> float | None:
    """First time at which `values`, linear between samples, reach `level`.

    Args:
        time_s: shape (n,), increasing.
        values: shape (n,).
        level: in the unit of `values`. O(n).

    Returns:
        The interpolated time in s; the first sample's time when the curve starts at or above the level;
        None when it is never reached inside the record.
    """
    index = first_index_at_or_above(values, level)
    if index is None:
        return None
    if index == 0:
        return float(time_s[0])
    return float(np.interp(level, values[index - 1 : index + 1], time_s[index - 1 : index + 1]))
