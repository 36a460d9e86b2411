"""From sample times to the even grid that filters need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError

# Solvers write at the first time step after the output interval, tables round their times.
JITTER = 0.25


def even_grid(
    time_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Values on an even grid from the first to the last time. O(n).

    Times that are even up to a quarter of a step are only jitter: values are interpolated linearly to the
    even grid. Anything else is a gap, a second record, or another column.

    Args:
        time_s: shape (n,), finite.
        values: shape (n,).

    Returns:
        Values of shape (n,), the interval in s, and the first time in s.

    Raises:
        InputError: fewer than two times, not increasing, or uneven; the message names the row.
    """
    if time_s.size < 2:
        raise InputError(f"it has {time_s.size} samples; at least 2 are needed.")
    steps = np.diff(time_s)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 2
        raise InputError(f"its times do not increase: row {row} is at {time_s[row - 1]:.6g} s.")
    interval_s = float((time_s[-1] - time_s[0]) / steps.size)
    uneven = np.abs(steps - interval_s) > JITTER * interval_s
    if uneven.any():
        row = int(np.argmax(uneven)) + 2
        raise InputError(
            f"its time step to row {row} is {steps[row - 2]:.4g} s, the mean step {interval_s:.4g} s: uneven."
        )
    even_s = time_s[0] + interval_s * np.arange(time_s.size)
    return np.interp(even_s, time_s, values), interval_s, float(time_s[0])
