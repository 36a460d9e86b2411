"""A feature schema guessed from a table, for a person to correct: kinds, units, ranges."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from service.campaigns.leaks import known_after_test
from service.campaigns.schemas import RESERVED_NAMES
from service.errors import InputError
from service.vocabulary import FeatureKind

MOST_ROWS = 5000
MOST_CATEGORIES = 50
MOST_COLUMNS = 500
# Beyond what the table holds, by this share of its span: new designs lie outside of old ones.
MARGIN = 0.1
UNITS = {
    "kmh": "km/h", "mph": "mph", "mps": "m/s", "kg": "kg", "mm": "mm", "cm": "cm", "m": "m", "deg": "deg", "ms": "ms",
    "s": "s", "g": "g", "l": "l", "degc": "degC", "n": "N", "kn": "kN", "year": "year",
}  # fmt: skip
_FLAGS = {"true", "false", "yes", "no"}
_MISSING = {"", "na", "nan", "null", "none", "-"}


@dataclass(frozen=True)
class Guess:
    """What a table suggests: documents of features, columns that were left out and why, rows that were looked at."""

    features: list[dict[str, Any]]
    left_out: list[tuple[str, str]]
    rows: int


def guess(text: str, *, target: str) -> Guess:
    """Features of a CSV text whose first line names the columns.

    Args:
        text: comma, semicolon or tab between the cells.
        target: name of what is predicted: its column is no feature.

    Raises:
        InputError: if it holds no named columns with rows under them.
    """
    header, rows = _parsed(text)
    features: list[dict[str, Any]] = []
    left_out: list[tuple[str, str]] = []
    for index, heading in enumerate(header):
        name = _name(heading)
        cells = [row[index].strip() if index < len(row) else "" for row in rows]
        reason = _why_no_feature(name, target, {feature["name"] for feature in features}, cells)
        if reason:
            left_out.append((heading, reason))
        else:
            features.append(_feature(name, cells))
    return Guess(features, left_out, len(rows))


def _parsed(text: str) -> tuple[list[str], list[list[str]]]:
    try:
        dialect: Any = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t")
    except csv.Error:  # one column
        dialect = csv.excel
    try:
        lines = list(islice(csv.reader(io.StringIO(text), dialect), MOST_ROWS + 1))
    except csv.Error as error:
        raise InputError(f"The table cannot be read: {error}.", hint="Save it as CSV in UTF-8.") from error
    rows = [line for line in lines[1:] if any(cell.strip() for cell in line)]
    if not lines or not rows:
        raise InputError("The table is empty.", hint="Its first line names the columns, rows follow.")
    if len(lines[0]) > MOST_COLUMNS:
        raise InputError(
            f"The table has more than {MOST_COLUMNS} columns.", hint="Leave out what is no feature."
        )
    return lines[0], rows


def _name(heading: str) -> str:
    """The heading as a name of ours: small letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", heading.strip().lower()).strip("_")
    return (name if name[:1].isalpha() else f"f_{name}")[:64]


def _why_no_feature(name: str, target: str, known: set[str], cells: Sequence[str]) -> str:
    values = {cell for cell in cells if cell.lower() not in _MISSING}
    too_many = len(values) > MOST_CATEGORIES and _numbers(values) is None
    leak = known_after_test(name)
    reasons = (
        (name in RESERVED_NAMES, "a column of samples, no feature"),
        (name == target, "the target"),
        (bool(leak), f"{leak}, known only after the test"),
        (name in known, "there is one of that name"),
        (not values, "empty"),
        (too_many, f"{len(values)} different texts: more than categories have"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _feature(name: str, cells: Sequence[str]) -> dict[str, Any]:
    present = [cell for cell in cells if cell.lower() not in _MISSING]
    feature: dict[str, Any] = {"name": name, "required": len(present) == len(cells), "unit": "1"}
    values = set(present)
    if {value.lower() for value in values} <= _FLAGS:
        return feature | {"kind": FeatureKind.BOOLEAN.value}
    numbers = _numbers(values)
    if numbers is None:
        return feature | {"kind": FeatureKind.CATEGORICAL.value, "categories": sorted(values)}
    whole = all(number.is_integer() for number in numbers)
    kind = FeatureKind.INTEGER if whole and "." not in "".join(values) else FeatureKind.CONTINUOUS
    return feature | {"kind": kind.value, "unit": _unit(name)} | _range(min(numbers), max(numbers))


def _numbers(values: set[str]) -> list[float] | None:
    """All of them as numbers; None if one is none."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    return numbers if all(abs(number) < float("inf") for number in numbers) else None


def _unit(name: str) -> str:
    return UNITS.get(name.rsplit("_", 1)[-1], "1") if "_" in name else "1"


def _range(low: float, high: float) -> dict[str, float]:
    """A range around what the table holds; none for a column of one value."""
    if low == high:
        return {}
    margin = MARGIN * (high - low)
    # What is never negative in the table is taken for what cannot be.
    bounds = (max(low - margin, 0.0) if low >= 0 else low - margin, high + margin)
    return {name: float(f"{bound:.3g}") for name, bound in zip(("minimum", "maximum"), bounds, strict=True)}
