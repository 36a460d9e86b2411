"""Numbers in files, stricter than Python: `1_5`, other scripts' digits, `nan`, `1e999`, `1e300` measure nothing."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from service.signals.channel import LARGEST_VALUE

_PLAIN = re.compile(r"[0-9eE+\-.\s]*", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE)


def is_plain(text: str) -> bool:
    """Whether a text holds nothing that Python's `float` reads more generously than it should."""
    return _PLAIN.fullmatch(text) is not None


def finite_number(text: str) -> float:
    """The number that a cell holds.

    Raises:
        ValueError: saying what it is instead.
    """
    cell = text.strip()
    if _NOT_FINITE.fullmatch(cell):
        raise ValueError("is not finite")
    if not _NUMBER.fullmatch(cell):
        comma = " (a decimal comma?)" if _NUMBER.fullmatch(cell.replace(",", ".", 1)) else ""
        raise ValueError(f"is not a number{comma}")
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError("is not finite")
    if abs(value) > LARGEST_VALUE:
        raise ValueError(f"is beyond {LARGEST_VALUE:g}")
    return value


def is_usable(values: NDArray[np.float64]) -> bool:
    """Whether all values are finite and of a size that can be computed with."""
    return bool(np.isfinite(values).all() and (np.abs(values) <= LARGEST_VALUE).all())
