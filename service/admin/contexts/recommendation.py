"""One recommendation: the plan, why, what is known nearby, what happened, what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from service.admin.contexts.base import Context, Frame
from service.admin.contexts.recommendations import RecommendationLine
from service.lifecycles import RecommendationStatus, RunStatus


@dataclass(frozen=True)
class FeatureInput:
    """A feature as an input; `options` makes it a choice, `value` is what stands there."""

    name: str
    label: str
    unit: str
    value: str
    options: Sequence[str]
    minimum: float | None
    maximum: float | None
    is_required: bool
    hint: str = ""


@dataclass(frozen=True)
class PlanLine:
    """A planned feature; `in_domain` says whether it meets the target domain's condition, None without one."""

    label: str
    value: str
    in_domain: bool | None


@dataclass(frozen=True)
class HistoryLine:
    """One change of status."""

    status: RecommendationStatus
    actor: str
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class SimulationLine:
    """One way of the simulation through the workers."""

    id: int
    status: RunStatus
    progress_percent: float
    message: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True)
class IntervalView:
    """The predicted interval beside what the nearest tests gave, as places in percent of the picture's width."""

    low: float
    high: float
    middle: float
    nearest: Sequence[tuple[str, float]]
    level_percent: int
    text: str


@dataclass(frozen=True, kw_only=True)
class RecommendationContext(Context):
    """One recommendation.

    Attributes:
        frame: the layout's needs.
        row: what the list says of it.
        round_id: of the round that proposed it.
        plan: planned features.
        interval: predicted interval, None where the surrogate has none.
        gain_share: its share of what the batch teaches, None if not told.
        target: what is predicted.
        target_unit: of predictions and results.
        label: the result, None before there is one.
        sample_id: of the design.
        remaining: what is left of the budget, None without one.
        left_after: what would be left after an approval, None without a budget.
        currency: of costs and budget.
        allowed: what it may become now.
        has_oracle: whether a worker can run it.
        features: inputs for what was really run.
        history: oldest first.
        simulations: oldest first.
        reason: what was written in a decision that was refused.
    """

    template: ClassVar[str] = "recommendation.html"
    frame: Frame
    row: RecommendationLine
    round_id: int
    plan: Sequence[PlanLine]
    interval: IntervalView | None
    gain_share: float | None
    target: str
    target_unit: str
    label: float | None
    sample_id: int
    remaining: Decimal | None
    left_after: Decimal | None
    currency: str
    allowed: Sequence[RecommendationStatus]
    has_oracle: bool
    features: Sequence[FeatureInput]
    history: Sequence[HistoryLine]
    simulations: Sequence[SimulationLine]
    reason: str
