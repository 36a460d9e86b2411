"""The campaign's feature schema as inputs of a form, and the form's texts as features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admin.contexts.recommendation import FeatureInput
from service.campaigns.schemas import Feature
from service.database.models import Campaign
from service.errors import FieldError, InputError
from service.quantities import BARE_UNITS, quantity
from service.vocabulary import FeatureKind

PREFIX = "feature."
YES, NO = "yes", "no"


def feature_inputs(campaign: Campaign, values: Mapping[str, Any]) -> list[FeatureInput]:
    """An input for each feature, filled in with `values`: features or, after a refusal, what was typed."""
    return [
        _input(Feature.model_validate(document), values.get(document["name"]))
        for document in campaign.feature_schema
    ]


def _input(feature: Feature, value: object) -> FeatureInput:
    choices = {FeatureKind.CATEGORICAL: list(feature.categories or ()), FeatureKind.BOOLEAN: [YES, NO]}
    return FeatureInput(
        name=PREFIX + feature.name,
        label=quantity(feature.name, feature.unit),
        unit="" if feature.unit in BARE_UNITS else feature.unit,
        value=_text(value),
        options=choices.get(feature.kind, []),
        minimum=feature.minimum,
        maximum=feature.maximum,
        is_required=feature.required,
        hint=_limits(feature),
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    return "" if value is None else str(value)


def _limits(feature: Feature) -> str:
    if feature.minimum is None or feature.maximum is None:
        return ""
    return f"{feature.minimum:g} to {feature.maximum:g}"


def typed(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed for each feature, by its name."""
    return {name.removeprefix(PREFIX): text for name, text in form.items() if name.startswith(PREFIX)}


def features_of(campaign: Campaign, form: Mapping[str, str]) -> dict[str, Any]:
    """The features that were filled in, as the API takes them; their limits are checked where they are stored.

    Raises:
        InputError: naming each text that is no number.
    """
    kinds = {document["name"]: Feature.model_validate(document).kind for document in campaign.feature_schema}
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, text in typed(form).items():
        try:
            values[name] = _value(kinds.get(name), text)
        except ValueError:
            errors.append(FieldError(f"/{name}", f"'{text[:40]}' is no number"))
    if errors:
        raise InputError("Some features do not fit.", errors=errors)
    return values


def _value(kind: FeatureKind | None, text: str) -> object:
    if kind is FeatureKind.BOOLEAN:
        return {YES: True, NO: False}.get(text, text)
    if kind is FeatureKind.INTEGER:
        return int(text)
    return float(text) if kind is FeatureKind.CONTINUOUS else text
