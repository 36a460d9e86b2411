"""What is known of a design before its crash: the feature schema of the built-in occupant model.

The ranges are wider than the default fleet, so that a plausible but wrong entry (a mass in lb, a
speed in mph) is inside them: such mistakes are for data valuation to find, not for a range check.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

FeatureValue: TypeAlias = float | int | str | bool
Design: TypeAlias = dict[str, FeatureValue]
FeatureKind: TypeAlias = Literal["continuous", "integer", "categorical", "boolean"]


class DesignError(ValueError):
    """A design that the occupant model cannot run; `feature` names the culprit, the message the remedy."""

    def __init__(self, feature: str, message: str) -> None:
        super().__init__(message)
        self.feature = feature


@dataclass(frozen=True)
class Feature:
    """One input of the model. `minimum` and `maximum` are for numbers, `categories` for categorical."""

    name: str
    kind: FeatureKind
    unit: str | None
    description: str
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()


def _number(
    name: str, unit: str, low: float, high: float, description: str, kind: FeatureKind = "continuous"
) -> Feature:
    return Feature(name, kind, unit, description, low, high)


def _category(name: str, categories: tuple[str, ...], description: str) -> Feature:
    return Feature(name, "categorical", None, description, categories=categories)


FEATURES: tuple[Feature, ...] = (
    _number("impact_speed_kmh", "km/h", 30, 70, "Speed against the rigid wall, full frontal."),
    _number("test_mass_kg", "kg", 800, 4500, "Vehicle mass as tested, with dummies and cargo."),
    _number("model_year", "year", 1995, 2030, "Model year: metal, load paths and inflators.", "integer"),
    _category("body_type", ("hatchback", "sedan", "suv", "pickup", "van"), "Body style."),
    _category(
        "powertrain",
        ("combustion", "hybrid", "battery_electric"),
        "What fills the engine bay: how stiff the second rise of the pulse is.",
    ),
    _number(
        "crush_space_mm", "mm", 350, 1100, "Deformable length from bumper to firewall, less rigid parts."
    ),
    _number("engine_clearance_mm", "mm", 200, 900, "Crush at which the engine or drive unit is reached."),
    _number(
        "front_stiffness_kn_per_m",
        "kN/m",
        300,
        4000,
        "Initial slope of force over crush, from an earlier test or a simulation of the same body.",
    ),
    _number("chest_to_wheel_mm", "mm", 150, 500, "Clearance from chest to steering-wheel hub (CS)."),
    _number("belt_slack_mm", "mm", 0, 100, "Slack of the shoulder belt, film-spool effect included."),
    _number("webbing_elongation_percent", "%", 4, 20, "Elongation of the webbing at 10 kN."),
    _category("pretensioner", ("none", "retractor", "buckle", "double"), "Belt pretensioner fitted."),
    _number(
        "restraint_fire_time_ms", "ms", 5, 50, "Calibrated time at which pretensioner and air bag are fired."
    ),
    _number("load_limiter_kn", "kN", 2, 12, "Shoulder-belt force of the load limiter; 12 means none."),
    _number("air_bag_vent_mm", "mm", 20, 80, "Diameter of one circle with the area of all vents."),
    Feature("knee_air_bag", "boolean", None, "Knee air bag fitted: the pelvis is coupled earlier."),
    _category("dummy", ("hybrid_iii_05f", "hybrid_iii_50m", "thor_50m"), "Driver dummy."),
)


def check_design(design: Mapping[str, object]) -> Design:
    """The features of the model out of `design`; further keys are left aside.

    Raises:
        DesignError: a feature is missing, of the wrong kind, not finite or out of its range.
    """
    return {feature.name: _checked(feature, design) for feature in FEATURES}


def _checked(feature: Feature, design: Mapping[str, object]) -> FeatureValue:
    if feature.name not in design or design[feature.name] is None:
        raise DesignError(
            feature.name, f"{feature.name} is missing; give {_expected(feature)}: {feature.description}"
        )
    value = design[feature.name]
    accepted = {"categorical": _category_of, "boolean": _boolean_of}.get(feature.kind, _number_of)(
        feature, value
    )
    if accepted is None:
        raise DesignError(feature.name, f"{feature.name} is {value!r}; give {_expected(feature)}")
    return accepted


def _category_of(feature: Feature, value: object) -> FeatureValue | None:
    return value if isinstance(value, str) and value in feature.categories else None


def _boolean_of(_feature: Feature, value: object) -> FeatureValue | None:
    return value if isinstance(value, bool) else None


def _number_of(feature: Feature, value: object) -> FeatureValue | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    low, high = feature.minimum, feature.maximum
    if low is None or high is None or not low <= value <= high:
        return None
    if feature.kind == "integer":
        return int(value) if value == int(value) else None
    return float(value)


def _expected(feature: Feature) -> str:
    if feature.kind == "categorical":
        return "one of " + ", ".join(feature.categories)
    if feature.kind == "boolean":
        return "true or false"
    whole = "a whole number" if feature.kind == "integer" else "a number"
    return f"{whole} from {feature.minimum:g} to {feature.maximum:g} {feature.unit}"
