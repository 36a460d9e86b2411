"""Units of what crash-test files hold, and their many spellings; nothing without a unit is converted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

from service.errors import InputError

STANDARD_GRAVITY_MPS2 = 9.80665  # exact, ISO 80000-3

# Factor to the SI unit of each quantity.
UNIT_FACTORS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "acceleration": {"m/s2": 1.0, "g": STANDARD_GRAVITY_MPS2, "mm/s2": 1e-3, "mm/ms2": 1e3},
        "velocity": {"m/s": 1.0, "km/h": 1 / 3.6, "mm/s": 1e-3, "mm/ms": 1.0, "mph": 0.44704},
        "displacement": {"m": 1.0, "mm": 1e-3},
        "force": {"N": 1.0, "kN": 1e3},
        "angular_velocity": {"rad/s": 1.0, "deg/s": math.pi / 180},
        "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6},
        "mass": {"kg": 1.0, "t": 1e3, "g": 1e-3, "lb": 0.45359237},
    }
)

# Spellings after `_plain`: lower case, no blanks, brackets, ^ or **; sec is s, µ is u.
_SPELLINGS: Mapping[str, Mapping[str, str]] = {
    "acceleration": {
        "g's": "g", "gs": "g", "gn": "g", "m/s/s": "m/s2", "m/s*s": "m/s2", "meters/s2": "m/s2", "mps2": "m/s2",
        "ms-2": "m/s2", "mm/s/s": "mm/s2", "mm/s*s": "mm/s2", "mm/ms/ms": "mm/ms2",
    },
    "velocity": {"kph": "km/h", "kmh": "km/h", "kmph": "km/h", "mi/h": "mph", "ms-1": "m/s"},
    "displacement": {"meters": "m", "met": "m", "millimeters": "mm"},
    "force": {"n": "N", "nwt": "N", "kn": "kN"},
    "angular_velocity": {"rps": "rad/s", "dps": "deg/s"},
    "mass": {"lbs": "lb", "kgs": "kg"},
}  # fmt: skip

_SAME_CHARACTERS = str.maketrans({"’": "'", "²": "2", "μ": "u", "µ": "u"})
_NUMBER_WITH_UNIT = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$", re.ASCII)


def parse_unit(text: str, quantity: str) -> str:
    """The unit of `UNIT_FACTORS[quantity]` that a file means by `text`, such as `m/(s*s)`, `G'S`, `m / s2`.

    Raises:
        InputError: no unit, or none of this quantity; the hint names those that are known.
    """
    factors = UNIT_FACTORS.get(quantity, {})
    plain = _plain(text)
    found = _SPELLINGS.get(quantity, {}).get(plain, plain)
    if found in factors:
        return found
    known = f"Known units: {', '.join(factors) or 'none'}."
    if not plain:
        raise InputError(f"The unit of {quantity} is missing.", hint=known)
    raise InputError(f"{text.strip()!r} is not a known unit of {quantity}.", hint=known)


def _plain(text: str) -> str:
    lowered = text.strip().casefold().translate(_SAME_CHARACTERS)
    return re.sub(r"sec(onds?)?", "s", re.sub(r"[\s()\[\]^]|\*\*", "", lowered))


def factor(unit: str, wanted: str, quantity: str) -> float:
    """By what a number in `unit` is multiplied to be one in `wanted`; both are spelt as in `UNIT_FACTORS`.

    Raises:
        InputError: the quantity has no such unit.
    """
    factors = UNIT_FACTORS.get(quantity, {})
    for name in (unit, wanted):
        if name not in factors:
            raise InputError(
                f"{name!r} is not a known unit of {quantity}.",
                hint=f"Known units: {', '.join(factors) or 'none'}.",
            )
    return factors[unit] / factors[wanted]


def parse_quantity(text: str, quantity: str, wanted: str, *, default_unit: str = "") -> float:
    """The number in `text`, such as `50 km/h` or `1500 Kg`, in the unit `wanted`.

    Args:
        text: a number with a decimal point, and a unit unless `default_unit` says what a bare one means.
        quantity: a key of `UNIT_FACTORS`.
        wanted: unit of the result.
        default_unit: unit of a number that has none; empty when it must have one.

    Raises:
        InputError: not a number, or a unit that is missing or not known.
    """
    found = _NUMBER_WITH_UNIT.match(text)
    if not found or not math.isfinite(float(found.group(1))):
        raise InputError(f"{text.strip()!r} is not a number with a unit.")
    unit = parse_unit(found.group(2) or default_unit, quantity)
    return float(found.group(1)) * factor(unit, wanted, quantity)
