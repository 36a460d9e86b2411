"""Recommendations as lines of a table: components as bars, neighbours in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.admin.contexts.recommendations import Bar, NearestLine, RecommendationLine
from service.admin.formats import digits_for, feature_value, number, percent
from service.admin.pages.value_lines import sample_name
from service.database.models import Campaign, Recommendation, Sample
from service.quantities import quantity
from service.vocabulary import Arm

FEATURES_SHOWN = 4
NEUTRAL_RELEVANCE, LARGEST_RELEVANCE = 1.0, 2.0  # 1 + lambda tanh(z) lies below 2
PLAIN_WEIGHT, DOUBTED_WEIGHT = 1.0, 0.5
# Root mean square over the encoded features, in their standard deviations.
DISTANCES = ((0.15, "nearly the same design"), (0.5, "close"), (1.0, "some way off"))


def lines(
    rows: Sequence[Recommendation], campaign: Campaign, half_widths: Mapping[int, float]
) -> list[RecommendationLine]:
    """The lines of a round's rows; bars are as long as a component is beside the largest of these rows."""
    largest = max((row.components.get("information") or 0.0 for row in rows), default=0.0)
    return [line(row, campaign, largest, half_widths.get(row.id)) for row in rows]


def line(
    row: Recommendation, campaign: Campaign, largest_information: float, half_width: float | None
) -> RecommendationLine:
    """The line of `row`; its sample, source and history are loaded."""
    components = row.components
    last_change = row.history[-1] if row.history else None
    return RecommendationLine(
        id=row.id,
        rank=row.rank,
        name=sample_name(row.sample),
        source=row.sample.source.name,
        arm=row.arm,
        arm_note=_arm_note(row),
        features=key_features(row.sample, campaign),
        predicted=components.get("predicted"),
        predicted_std=components.get("predicted_std"),
        half_width=half_width,
        bars=_bars(components, largest_information, campaign.target["unit"]),
        nearest=nearest(components, campaign.target["unit"]),
        cost=row.acquisition_cost,
        lead_time_hours=row.sample.source.lead_time_hours,
        reason=row.reason,
        status=row.status,
        is_late=row.is_late,
        note=f"{last_change.actor}: {last_change.reason}" if last_change and last_change.reason else "",
        changed_at=row.changed_at,
    )


def _arm_note(row: Recommendation) -> str:
    if row.arm is Arm.CONTROL:
        chance = f", one of {1 / row.selection_probability:,.0f}" if row.selection_probability else ""
        return (
            f"Drawn at random{chance}. A few random designs in each batch show what would have been learned without "
            "the advice: only beside them can it prove itself."
        )
    return "A person asked for it; no score chose it." if row.arm is Arm.INJECTED else ""


def key_features(sample: Sample, campaign: Campaign) -> list[tuple[str, str]]:
    """Those that define the target domain, then the first ones of the schema; name and value with unit."""
    units = {feature["name"]: feature.get("unit", "1") for feature in campaign.feature_schema}
    wanted = [condition["feature"] for condition in campaign.target_domain.get("conditions", [])]
    names = list(dict.fromkeys([*wanted, *units]))[:FEATURES_SHOWN]
    values = sample.planned_features
    return [(quantity(name, units[name]), feature_value(values.get(name), units[name])) for name in names]


def _bars(components: Mapping[str, Any], largest: float, unit: str) -> list[Bar]:
    """Those components that the ranking stored, in the order in which they make the score."""
    information, relevance = components.get("information"), components.get("relevance")
    price_share, weight = components.get("price_share"), _neighbours_weight(components)
    return [
        *_information_bar(information, largest, unit),
        *_bar("Relevance", relevance, LARGEST_RELEVANCE, f"× {number(relevance)}",
              "Factor for how much the target domain lacks such tests; 1 is neutral."),
        *_bar("Label trust", weight, 2 * PLAIN_WEIGHT, number(weight),
              "Data weight of the nearest labelled tests; 1 is an ordinary label, less a doubted one."),
        *_bar("Price", price_share, 1.0, percent(price_share),
              "Share of its budget that it uses up: a shorter bar is cheaper."),
    ]  # fmt: skip


def _information_bar(information: float | None, largest: float, unit: str) -> list[Bar]:
    text = f"{number(information, digits_for([largest]))} {unit}²"
    meaning = (
        "Expected fall of the mean predictive variance on the target domain; the longest bar is the most."
    )
    return _bar("Information", information, largest, text, meaning)


def _bar(label: str, value: float | None, whole: float, text: str, meaning: str) -> list[Bar]:
    if value is None:
        return []
    share = value / whole if whole > 0 else 0.0
    return [Bar(label, round(100 * min(1.0, max(0.0, share)), 1), text, meaning)]


def _neighbours_weight(components: Mapping[str, Any]) -> float | None:
    weights = [near["data_weight"] for near in components.get("neighbours", [])]
    return sum(weights) / len(weights) if weights else None


def nearest(components: Mapping[str, Any], unit: str) -> list[NearestLine]:
    """The labelled tests that the worker found nearest, the nearest first."""
    return [
        NearestLine(
            name=near["name"],
            distance=distance_in_words(near["distance"]),
            target="not told" if near["target"] is None else f"{number(near['target'])} {unit}",
            trust="its label is doubted" if near["data_weight"] < DOUBTED_WEIGHT else "",
        )
        for near in components.get("neighbours", [])
    ]


def distance_in_words(distance: float) -> str:
    """`close (0.42 sd)`: root mean square over the encoded features, in their standard deviations."""
    word = next((word for limit, word in DISTANCES if distance < limit), "far off")
    return f"{word} ({number(distance)} sd)"
