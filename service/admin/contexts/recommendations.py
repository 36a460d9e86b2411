"""Recommendations by round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from service.admin.contexts.base import Context, Filter, Frame, Pager
from service.admin.contexts.shared import EvidenceView
from service.lifecycles import RecommendationStatus
from service.vocabulary import Arm


@dataclass(frozen=True)
class RecommendationLine:
    """One row of the ranked table; `note` is the last word of its history."""

    id: int
    rank: int
    name: str
    source: str
    arm: Arm
    features: Sequence[tuple[str, str]]
    predicted: float | None
    predicted_std: float | None
    information: str
    cost: Decimal
    lead_time_hours: Decimal
    reason: str
    status: RecommendationStatus
    is_late: bool
    note: str
    changed_at: datetime | None

    @property
    def can_decide(self) -> bool:
        return self.status is RecommendationStatus.PROPOSED


@dataclass(frozen=True)
class RoundGroup:
    """The recommendations of one round that are on this page."""

    id: int
    created_at: datetime
    requested_by: str
    strategy: str
    result: str
    evidence: EvidenceView
    rows: Sequence[RecommendationLine]


@dataclass(frozen=True, kw_only=True)
class RecommendationsContext(Context):
    """Recommendations by round.

    Attributes:
        frame: the layout's needs.
        groups: newest round first, ranks ascending.
        filters: one per status that occurs, and one for all.
        status: the filter's current value, empty for all; goes back with each decision.
        page: number of this page from 1; goes back with each decision.
        pager: place among all rows.
        target: what is predicted.
        target_unit: of predictions and their spread.
        remaining: what is left of the budget, None without one.
        currency: of costs and budget.
    """

    template: ClassVar[str] = "recommendations.html"
    frame: Frame
    groups: Sequence[RoundGroup]
    filters: Sequence[Filter]
    status: str
    page: int
    pager: Pager
    target: str
    target_unit: str
    remaining: Decimal | None
    currency: str
