"""The regret ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from service.admin.contexts.advice import ArmsView, GaugeView, StopView
from service.admin.contexts.base import Context, FormField, Frame, Pager


@dataclass(frozen=True)
class LedgerLine:
    """One round: what it promised, what came of it; errors and gains in target units, higher gain is better.

    `note` says what keeps the two from being compared, if something does.
    """

    round_id: int
    created_at: datetime
    strategy: str
    proposed: int
    results: int
    spent: Decimal
    committed: Decimal
    spent_in_all: Decimal
    rmse_before: float | None
    rmse_after: float | None
    predicted: float | None
    realised: float | None
    regret: float | None
    calibration: float | None
    arms: str
    verdict: str
    tone: Literal["good", "warn", "bad", "info"]
    note: str


@dataclass(frozen=True, kw_only=True)
class LedgerContext(Context):
    """The regret ledger.

    Attributes:
        frame: the layout's needs.
        rows: newest round first.
        pager: place among all rounds.
        unit: of errors and gains.
        currency: of the money.
        figures: names, values and notes of the totals.
        chart: predicted and realised gain by round, and the money.
        chart_note: how many of how many rounds are drawn.
        arms: chosen against random picks over all rounds.
        gauge: how much choosing can help.
        stop: whether to go on.
        stop_fields: the limits of the stop rule.
    """

    template: ClassVar[str] = "ledger.html"
    frame: Frame
    rows: Sequence[LedgerLine]
    pager: Pager
    unit: str
    currency: str
    figures: Sequence[tuple[str, str, str]]
    chart: Mapping[str, Any]
    chart_note: str
    arms: ArmsView
    gauge: GaugeView
    stop: StopView
    stop_fields: Sequence[FormField]
