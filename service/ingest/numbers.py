"""Numbers in text, stricter than Python: `1_5`, other scripts' digits, `nan` and `1e999` are no measurements."""

from __future__ import annotations

import math
import re

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
    return value
