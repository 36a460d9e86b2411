"""Pure checks of a sample against its campaign's feature schema; every complaint names field and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import ValidationError

from service.campaigns.schemas import Feature, Target
from service.errors import FieldError, json_pointer
from service.samples.schemas import Measure, SampleCreate
from service.vocabulary import FeatureKind, Split

# No measured quantity is larger, and one such entry would drown every other row once features are scaled.
LARGEST_NUMBER = 1e15

Value = bool | int | float | str


class PlainRule(NamedTuple):
    """When a value is taken as it is: most are, and whatever else is right or wrong is looked at closely."""

    kind: type[Any]
    categories: frozenset[str] | None
    low: float
    high: float


@dataclass(frozen=True)
class SampleSchema:
    """What a campaign expects of its samples."""

    features: Mapping[str, Feature]
    target: Target
    sources: Mapping[str, int]  # name -> id

    @cached_property
    def plain_rules(self) -> Mapping[str, PlainRule]:
        return {name: _plain_rule(feature) for name, feature in self.features.items()}

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(name for name, feature in self.features.items() if feature.required)


KINDS: Mapping[FeatureKind, type[Any]] = {
    FeatureKind.CONTINUOUS: float,
    FeatureKind.INTEGER: int,
    FeatureKind.BOOLEAN: bool,
    FeatureKind.CATEGORICAL: str,
}


def _plain_rule(feature: Feature) -> PlainRule:
    return PlainRule(
        KINDS[feature.kind],
        frozenset(feature.categories or ()) if feature.kind is FeatureKind.CATEGORICAL else None,
        *allowed_range(feature),
    )


def allowed_range(given: Feature | Target) -> tuple[float, float]:
    """Lowest and highest number that is taken, also where the schema names none."""
    low = -LARGEST_NUMBER if given.minimum is None else max(-LARGEST_NUMBER, given.minimum)
    high = LARGEST_NUMBER if given.maximum is None else min(LARGEST_NUMBER, given.maximum)
    return low, high


@dataclass
class CheckedSample:
    """A sample with plain values, and what is wrong with it."""

    request: SampleCreate
    planned: dict[str, Value]
    executed: dict[str, Value] | None
    target: float | None
    errors: list[FieldError] = field(default_factory=list)


def parse_sample(document: object) -> SampleCreate | list[FieldError]:
    """The request that a JSON document holds, or what is wrong with its shape."""
    try:
        return SampleCreate.model_validate(document)
    except ValidationError as error:
        return [
            FieldError(json_pointer(detail["loc"]), detail["msg"].removeprefix("Value error, "))
            for detail in error.errors(include_url=False, include_input=False, include_context=False)
        ]


def check_sample(request: SampleCreate, schema: SampleSchema) -> CheckedSample:
    """Check names, units, kinds and ranges; never raises, collects."""
    errors: list[FieldError] = []
    planned = check_features(request.planned_features, schema, "/planned_features", errors)
    for feature in () if planned.keys() >= schema.required else schema.features.values():
        if feature.required and feature.name not in planned and not _named(errors, feature.name):
            message = f"missing: give it in {feature.unit}, or mark the feature `required: false`"
            errors.append(FieldError(f"/planned_features/{feature.name}", message))
    executed = None
    if request.executed_features is not None:
        executed = check_features(request.executed_features, schema, "/executed_features", errors)
    target = check_target(request.target, schema.target, errors)
    if request.source not in schema.sources:
        known = ", ".join(schema.sources)
        errors.append(FieldError("/source", f"unknown source '{request.source}': use one of {known}"))
    if request.split is Split.HOLDOUT and request.target is None:
        errors.append(FieldError("/split", "a holdout sample needs a target: it is never acquired"))
    return CheckedSample(request, planned, executed, target, errors)


def _named(errors: list[FieldError], name: str) -> bool:
    return any(error.pointer.endswith(f"/{name}") for error in errors)


def check_features(
    values: Mapping[str, Any], schema: SampleSchema, pointer: str, errors: list[FieldError]
) -> dict[str, Value]:
    """Plain values of the known features; missing ones are left out."""
    clean: dict[str, Value] = {}
    rules = schema.plain_rules
    for name, given in values.items():
        rule = rules.get(name)
        if rule is not None and type(given) is rule.kind:
            kept = rule.low <= given <= rule.high if rule.categories is None else given in rule.categories
            if kept:
                clean[name] = given
                continue
        try:
            value = _check_value(name, given, schema.features)
        except ValueError as error:
            errors.append(FieldError(pointer + json_pointer([name]), str(error)))
        else:
            if value is not None:
                clean[name] = value
    return clean


def _check_value(name: str, given: object, features: Mapping[str, Feature]) -> Value | None:
    feature = features.get(name)
    if feature is None:
        raise ValueError(_unknown(name, features))
    value = _without_unit(given, feature.unit)
    if value is None or value == "":
        return None
    if feature.kind is FeatureKind.CATEGORICAL:
        return _check_category(value, feature)
    if feature.kind is FeatureKind.BOOLEAN:
        if not isinstance(value, bool):
            raise ValueError(f"expects true or false, got {value!r}")
        return value
    return _check_number(value, feature)


def _unknown(name: str, features: Mapping[str, Feature]) -> str:
    close = get_close_matches(name, features, n=1, cutoff=0.6)
    if close:
        return f"unknown feature: did you mean '{close[0]}' (in {features[close[0]].unit})?"
    return f"unknown feature: the schema has {', '.join(features)}"


def _without_unit(given: object, unit: str) -> object:
    if not isinstance(given, Measure):
        return given
    if given.unit != unit:
        raise ValueError(f"is given in {given.unit}: convert it to {unit}")
    return given.value


def _check_category(value: object, feature: Feature) -> str:
    categories = feature.categories or []
    if value not in categories:
        shown = ", ".join(categories[:20])
        raise ValueError(f"unknown category {value!r}: use one of {shown}")
    return str(value)


def _check_number(value: object, feature: Feature) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expects a number in {feature.unit}, got {value!r}")
    _check_range(value, feature.minimum, feature.maximum, feature.unit)
    if feature.kind is FeatureKind.INTEGER:
        if value != int(value):
            raise ValueError(f"expects a whole number, got {value!r}")
        return int(value)
    return float(value)


def _check_range(value: float, minimum: float | None, maximum: float | None, unit: str) -> None:
    if not abs(value) <= LARGEST_NUMBER:  # so written, it also refuses NaN
        raise ValueError(f"is {value}: give a finite number, or null when it is missing")
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        low = "-∞" if minimum is None else f"{minimum:g}"
        high = "∞" if maximum is None else f"{maximum:g}"
        raise ValueError(f"{value:g} is outside {low} to {high} {unit}: check value and unit")


def check_target(given: float | Measure | None, target: Target, errors: list[FieldError]) -> float | None:
    """The label as a finite number in the target's unit and range, or None with a complaint."""
    try:
        value = _without_unit(given, target.unit)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"expects a number in {target.unit}, got {value!r}")
        _check_range(value, target.minimum, target.maximum, target.unit)
    except ValueError as error:
        errors.append(FieldError("/target", str(error)))
        return None
    return float(value)
