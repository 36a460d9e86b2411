"""Chart data: thinned honestly, with as many figures as a screen can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def short(value: float) -> float:
    """Four figures: what a screen can show."""
    return float(f"{value:.4g}")


def evenly(rows: Sequence[Any], most: int) -> list[Any]:
    """At most `most` rows in their order, spread evenly, both ends among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[index] for index in np.linspace(0, len(rows) - 1, most).round().astype(int).tolist()]


def thin(rows: Sequence[Any], most: int) -> list[Any]:
    """At most `most` rows in their order.

    The last eighth of the places is for the last rows, the suspicious ones; the others are spread evenly.
    """
    if len(rows) <= most:
        return list(rows)
    tail = most // 8
    head = rows[: len(rows) - tail]
    step = len(head) / (most - tail)
    return [head[int(index * step)] for index in range(most - tail)] + list(rows[-tail:])
