"""Recommendations by round, and what is said of each of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from service.admin.contexts.base import Context, Filter, Frame, Pager
from service.admin.contexts.shared import EvidenceView
from service.lifecycles import RecommendationStatus
from service.vocabulary import Arm


@dataclass(frozen=True)
class Bar:
    """One component of a rank: how long its bar is, in percent, what it says, and what it means."""

    label: str
    percent: float
    text: str
    meaning: str


@dataclass(frozen=True)
class NearestLine:
    """A labelled sample near a recommended design; `trust` is a word about its label, empty for a plain one."""

    name: str
    distance: str
    target: str
    trust: str


@dataclass(frozen=True)
class RecommendationLine:
    """One row of the ranked table; `note` is the last word of its history.

    `half_width` is half the predicted interval, None where the surrogate has none; `arm_note` says why a design is in
    the batch that no score chose.
    """

    id: int
    rank: int
    name: str
    source: str
    arm: Arm
    arm_note: str
    features: Sequence[tuple[str, str]]
    predicted: float | None
    predicted_std: float | None
    half_width: float | None
    bars: Sequence[Bar]
    nearest: Sequence[NearestLine]
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

    @property
    def has_proposals(self) -> bool:
        return any(row.can_decide for row in self.rows)


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
        selected: ids that were selected when a decision was refused; they stay selected.
        reason: what was written then.
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
    selected: Collection[int]
    reason: str
