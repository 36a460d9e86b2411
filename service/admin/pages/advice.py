"""The words and figures of evidence, arms, learning curve, gauge and stop rule, on whatever page they stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from service.admin.contexts.advice import ArmLine, ArmsView, CheckLine, GaugeView, IntervalView, StopView
from service.admin.formats import NONE, money, number, words
from service.admin.pages.wording import target_name
from service.backtests.schemas import EvidenceRead
from service.database.models import Campaign
from service.ledger.benefit import LAPLACE, NORMAL
from service.ledger.schemas import (
    ArmComparison,
    ArmResults,
    Band,
    BenefitGauge,
    ErrorPoint,
    StopRead,
    StopState,
)

# The scale of an interval reaches at least so far, and in steps of so much.
LEAST_REACH = 20
# The gauge's scale: log(RMSE / MAE) beyond it is as good as at its end.
GAUGE_END = 0.6
# Measured alike as far as the name of the samples tells.
_HELD_OUT = {"holdout": "on the holdout", "validation": "on the validation samples"}
OUT_OF_FOLD = "out of fold"


def change_percent(log_ratio: float) -> float:
    """A log ratio as percent: -0.22 is -20 %."""
    return 100 * math.expm1(log_ratio)


def interval_of(evidence: EvidenceRead) -> IntervalView | None:
    """RMSE against that of random picks; None before a backtest has replayed the strategy."""
    if evidence.log_ratio is None or evidence.interval is None:
        return None
    return interval_view(evidence.log_ratio, evidence.interval)


def interval_view(log_ratio: float, interval: Sequence[float]) -> IntervalView:
    """A log ratio with its interval as percent of random picks' RMSE; below zero is better."""
    low, middle, high = (change_percent(value) for value in (interval[0], log_ratio, interval[1]))
    reach = max(LEAST_REACH, 10 * math.ceil(max(abs(low), abs(high)) / 10))

    def place(value: float) -> float:
        return round(100 * (value + reach) / (2 * reach), 2)

    return IntervalView(
        text=f"RMSE {_signed(middle)} % against random picks (interval {_signed(low)} % to {_signed(high)} %)",
        reach=reach,
        left=place(low),
        width=round(place(high) - place(low), 2),
        middle=place(middle),
        is_certain=high < 0 or low > 0,
    )


def _signed(value: float) -> str:
    text = number(value, 0)
    return f"+{text}" if value > 0 and text != "0" else text


def arms_view(arms: ArmComparison, unit: str) -> ArmsView:
    """Chosen, control and, where there are any, injected picks."""
    named = [("chosen", arms.chosen), ("control, drawn at random", arms.control)]
    if arms.injected.picks:
        named.append(("injected by people", arms.injected))
    return ArmsView(
        lines=[ArmLine(name, found.picks, found.results, _error(found, unit)) for name, found in named],
        ratio=ratio_text(arms),
        sentence=arms.sentence,
    )


def _error(arm: ArmResults, unit: str) -> str:
    if arm.mean_squared_error is None:
        return NONE
    return f"{number(math.sqrt(arm.mean_squared_error))} {unit}"


def ratio_text(arms: ArmComparison) -> str:
    """Chosen over control mean squared error, with its interval if there is one."""
    if arms.ratio is None:
        return NONE
    if arms.interval is None:
        return number(arms.ratio)
    return f"{number(arms.ratio)} ({number(arms.interval[0])} to {number(arms.interval[1])})"


def gauge_view(benefit: BenefitGauge) -> GaugeView:
    """The expected benefit on its scale."""
    value = benefit.log_rmse_over_mae
    known = value is not None and benefit.band is not Band.UNKNOWN
    return GaugeView(
        band=benefit.band,
        place=round(100 * min(1.0, max(0.0, value) / GAUGE_END), 1) if known and value is not None else None,
        value=number(value, 3),
        low_until=round(100 * NORMAL / GAUGE_END, 1),
        medium_until=round(100 * LAPLACE / GAUGE_END, 1),
        sentence=benefit.sentence,
    )


def stop_view(stop: StopRead) -> StopView:
    """What speaks for going on, and what for stopping."""
    words_of = {True: "reached", False: "not reached", None: "not judged"}
    checks = [CheckLine(words_of[check.reached], check.sentence) for check in stop.checks]  # type: ignore[arg-type] # the three words
    return StopView(stop.state is StopState.STOP, checks)


def learning_chart(
    points: Sequence[ErrorPoint], target_error: float | None, campaign: Campaign
) -> dict[str, Any]:
    """Data of the chart `learning`: error against money, one series for each kind of samples measured on.

    Only points of one series may be compared; `limit` is the target error of the stop rule, for the RMSE.
    """
    names = list(dict.fromkeys(_measured(point) for point in points))
    unit, currency = campaign.target["unit"], campaign.currency
    return {
        "unit": unit,
        "currency": currency,
        "limit": target_error,
        "series": [
            {"name": name, "points": [_learning_point(one) for one in points if _measured(one) == name]}
            for name in names
        ],
        "table": {
            "columns": ["Surrogate", f"Spent ({currency})", "Results", *_error_columns(unit)],
            "rows": [_table_row(point) for point in points],
        },
    }


def _error_columns(unit: str) -> list[str]:
    return [f"RMSE ({unit})", f"95 % below ({unit})", "Measured"]


def _table_row(point: ErrorPoint) -> list[Any]:
    cost = round(point.acquisition_cost)
    return [point.surrogate_id, cost, point.results, point.rmse, point.q95_error, _measured(point)]


def _learning_point(point: ErrorPoint) -> list[float | None]:
    return [float(point.acquisition_cost), point.rmse, point.q95_error, point.results, point.surrogate_id]


def _measured(point: ErrorPoint) -> str:
    name = _HELD_OUT.get(point.measured_on or "")
    if name is None:
        return (
            OUT_OF_FOLD
            if point.measured_on == "out_of_fold"
            else words(point.measured_on or "not said on what")
        )
    return f"{name} ({point.measured_samples or 0:,})"


def learning_note(points: Sequence[ErrorPoint], campaign: Campaign) -> str:
    """What the newest error was measured on, and whether the curve can be trusted."""
    if not points:
        return ""
    newest = points[-1]
    spent = money(newest.acquisition_cost, campaign.currency)
    text = f"{target_name(campaign)} error {_measured(newest)}, after {spent}."
    if newest.measured_on not in _HELD_OUT:
        text += " Out of fold it is measured on the training samples, which change: an indication only."
    return text
