"""Names of features as people read them, on pages and in reasons."""

from __future__ import annotations

import re

# Written without their unit and without thousands separators: counts, shares, and the years of a calendar.
BARE_UNITS = frozenset({"", "1", "year", "years"})


def quantity(name: str, unit: str) -> str:
    """`test_mass_kg` without the unit that is shown beside it: `test mass`."""
    if unit in BARE_UNITS:
        return name.replace("_", " ")
    plain = unit.lower().replace("%", "percent")
    for separator in ("", "_per_"):  # impact_speed_kmh, front_stiffness_kn_per_m
        name = name.removesuffix("_" + re.sub(r"[^a-z0-9_]", "", plain.replace("/", separator)))
    return name.replace("_", " ")
