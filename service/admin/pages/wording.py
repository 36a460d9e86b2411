"""Sentences that several pages say about a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admin.contexts import EvidenceView
from service.admin.formats import BARE_UNITS, feature_value, quantity
from service.database.models import AcquisitionRound, Campaign
from service.vocabulary import Evidence

_ABBREVIATIONS = {"rolc", "olc", "hic"}
_SENTENCES = {
    Evidence.BETTER: "Better than random picks in a backtest on this campaign's own data.",
    Evidence.NOT_BETTER: "Not better than random picks in a backtest on this campaign's own data.",
    Evidence.WORSE: "Worse than random picks in a backtest on this campaign's own data.",
    Evidence.NOT_ENOUGH_DATA: "Not enough data to say whether this advice beats random picks here.",
}


def target_name(campaign: Campaign) -> str:
    """`rolc_g` in g as ROLC."""
    name = quantity(campaign.target["name"], campaign.target["unit"])
    return name.upper() if name in _ABBREVIATIONS else name


def target_with_unit(campaign: Campaign) -> str:
    unit = campaign.target["unit"]
    return target_name(campaign) if unit in BARE_UNITS else f"{target_name(campaign)} ({unit})"


def figure(metrics: Mapping[str, Any], name: str) -> float | None:
    """A number of a run's metrics; None when it was not measured."""
    value = metrics.get(name)
    return value if isinstance(value, int | float) else None


def evidence_of(round_: AcquisitionRound | None) -> EvidenceView:
    """What is known about the round's advice; the round's own sentence when it has one."""
    metrics = (round_.metrics if round_ else None) or {}
    verdict = Evidence(metrics.get("evidence", Evidence.NOT_ENOUGH_DATA))
    return EvidenceView(verdict, metrics.get("evidence_sentence") or _SENTENCES[verdict])


def domain_text(campaign: Campaign) -> str:
    """The target domain in words: description, conditions, or the validation samples."""
    units = {feature["name"]: feature.get("unit", "1") for feature in campaign.feature_schema}
    domain = campaign.target_domain
    conditions = [_condition(item, units.get(item["feature"], "1")) for item in domain.get("conditions", [])]
    parts = [part for part in (domain.get("description", "").rstrip(" ."), ", ".join(conditions)) if part]
    return ": ".join(parts) or "that of the validation samples"


def _condition(condition: Mapping[str, Any], unit: str) -> str:
    name = quantity(condition["feature"], unit)
    low, high = condition.get("minimum"), condition.get("maximum")
    if condition.get("categories"):
        return f"{name} {' or '.join(condition['categories'])}"
    if low is not None and high is not None:
        return f"{name} {feature_value(low, '1')} to {feature_value(high, unit)}"
    if low is not None:
        return f"{name} ≥ {feature_value(low, unit)}"
    return f"{name} ≤ {feature_value(high, unit)}" if high is not None else f"any {name}"
