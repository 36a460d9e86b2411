"""How numbers, money, times and names are written for people; the filters of the templates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from service.quantities import BARE_UNITS

NONE = "–"
DAY_H = 24
MINUTE_S = 60


def number(value: float | None, digits: int = 2) -> str:
    """Rounded, with a real minus sign; a dash when missing."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    negative_zero = text.startswith("-") and not text.strip("-0.,")
    return text[1:] if negative_zero else text.replace("-", "−")


def money(value: Decimal | float | None, currency: str) -> str:
    """1,250,000 USD; a dash when there is none."""
    return NONE if value is None else f"{number(float(value), 0)} {currency}"


def percent(share: float | None) -> str:
    return NONE if share is None else f"{number(100 * share, 0)} %"


def hours(value: Decimal | float | None) -> str:
    """A lead time: hours, from two days on in days."""
    if value is None:
        return NONE
    amount = float(value)
    return f"{amount:,.3g} h" if amount < 2 * DAY_H else f"{amount / DAY_H:,.0f} days"


def seconds(value: float | None) -> str:
    """A duration: 8 s, 3 min 20 s, 2 h 05 min."""
    if value is None:
        return NONE
    minutes, rest = divmod(round(value), MINUTE_S)
    if minutes < 1:
        return f"{rest} s"
    if minutes < MINUTE_S:
        return f"{minutes} min {rest} s"
    return f"{minutes // MINUTE_S} h {minutes % MINUTE_S:02d} min"


def moment(value: datetime) -> str:
    """RFC 3339 in UTC, for the attribute `datetime`."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_utc(value: datetime) -> str:
    """What stands there until the script writes the reader's own time."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def words(name: str) -> str:
    """`variance_reduction` as two words."""
    return name.replace("_", " ")


def feature_value(value: object, unit: str) -> str:
    """A feature with its unit, if that is to be shown."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    is_bare = unit in BARE_UNITS
    if isinstance(value, int | float):
        text = (f"{value:.6g}" if is_bare else f"{value:,.6g}").replace("-", "−")
    else:
        text = words(str(value))
    return text if is_bare else f"{text} {unit}"


def digits_for(values: Sequence[float], significant: int = 3) -> int:
    """Decimals that show the largest value with `significant` figures, so that a column lines up."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0:
        return significant - 1
    return min(6, max(0, significant - 1 - math.floor(math.log10(largest))))
