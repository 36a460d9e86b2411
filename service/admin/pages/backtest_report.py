"""The report of a backtest in words, figures and the data of its chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.admin.contexts.backtests import ReportView, StrategyLine
from service.admin.formats import NONE, money, number, words
from service.admin.pages.advice import interval_view
from service.database.models import Campaign
from service.vocabulary import Evidence

RANDOM = "random picks"


def report_view(report: Mapping[str, Any], campaign: Campaign) -> ReportView:
    """What a succeeded backtest says."""
    auto = report.get("auto") or {}
    return ReportView(
        verdict=Evidence(report.get("verdict", Evidence.NOT_ENOUGH_DATA)),
        sentence=auto.get("sentence", ""),
        reason=report.get("reason", ""),
        lines=[_line(entry, campaign) for entry in report.get("strategies", [])],
        facts=_facts(report),
        chart=chart_of(report, campaign),
        note=_note(report),
    )


def _line(entry: Mapping[str, Any], campaign: Campaign) -> StrategyLine:
    ratio, interval = entry.get("log_ratio"), entry.get("interval")
    return StrategyLine(
        name=words(entry["strategy"]),
        verdict=Evidence(entry["verdict"]),
        sentence=entry.get("sentence", ""),
        interval=None if ratio is None or interval is None else interval_view(ratio, interval),
        labels_saved=_saved(entry.get("labels_saved"), ""),
        money_saved=_saved(entry.get("money_saved"), campaign.currency),
    )


def _saved(saving: Mapping[str, Any] | None, currency: str) -> tuple[str, str]:
    """18 and 36 % (20 % to 50 %); negative where random picks need less."""
    if not saving:
        return NONE, ""
    amount = money(saving["amount"], currency) if currency else number(saving["amount"], 0)
    low, high = saving["interval"]
    shares = [number(100 * share, 0) for share in (saving["share"], low, high)]
    return amount, f"{shares[0]} % ({shares[1]} % to {shares[2]} %)"


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [
        ("Labelled samples", number(report.get("labelled"), 0)),
        ("Measured on, per replay", number(report.get("holdout_rows"), 0)),
        ("Groups to split by", number(report.get("groups"), 0)),
        ("Replays", number(report.get("repeats"), 0)),
    ]
    level = report.get("level")
    return [*found, ("Level of the intervals", NONE if level is None else f"{number(100 * level, 0)} %")]


def _note(report: Mapping[str, Any]) -> str:
    repeats = number(report.get("repeats"), 0)
    return f"Geometric means over {repeats} replays; bands hold four fifths of them."


def chart_of(report: Mapping[str, Any], campaign: Campaign) -> dict[str, Any]:
    """Data of the chart `backtest`: RMSE by labels or money, random picks first.

    A point is [labels, money, rmse, low, high]; low and high are null in reports from before there were bands.
    """
    named = [(RANDOM, report.get("random_curve") or [])]
    named += [(words(entry["strategy"]), entry.get("curve") or []) for entry in report.get("strategies", [])]
    series = [{"name": name, "points": [_point(one) for one in curve]} for name, curve in named if curve]
    unit, currency = campaign.target["unit"], campaign.currency
    return {
        "unit": unit,
        "currency": currency,
        "series": series,
        "table": {
            "columns": ["Picks", "Labels", f"Spent ({currency})", f"RMSE ({unit})", "10 %", "90 %"],
            "rows": [[one["name"], *point] for one in series for point in one["points"]],
        },
    }


def _point(point: Mapping[str, Any]) -> list[float | None]:
    return [
        point["labels"], point["acquisition_cost"], point["rmse"], point.get("rmse_low"), point.get("rmse_high"),
    ]  # fmt: skip
