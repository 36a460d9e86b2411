"""Sentences that several pages say about a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admin.contexts.shared import EvidenceView
from service.admin.formats import feature_value
from service.backtests.schemas import EvidenceRead
from service.database.models import Campaign
from service.quantities import BARE_UNITS, quantity

_ABBREVIATIONS = {"rolc", "olc", "hic"}


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


def evidence_view(evidence: EvidenceRead) -> EvidenceView:
    """The badge and the sentence beside advice."""
    return EvidenceView(evidence.verdict, evidence.sentence)


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
