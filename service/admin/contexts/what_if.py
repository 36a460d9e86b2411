"""What the next round would propose, with the settings of the last one and with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from service.admin.contexts.base import Context, FormField, Frame
from service.lifecycles import RunStatus
from service.vocabulary import Arm


@dataclass(frozen=True)
class BatchView:
    """A batch as a whole: its settings, money, the slowest result, and what it is to teach."""

    round_id: int
    settings: Sequence[tuple[str, str]]
    designs: int
    by_source: str
    cost: Decimal
    lead_time_hours: Decimal | None
    result: str


@dataclass(frozen=True)
class ComparedLine:
    """A design of either batch with its rank in each, None where it is not in it."""

    name: str
    source: str
    arm: Arm
    change: Literal["entering", "leaving", "stays"]
    rank_before: int | None
    rank_after: int | None
    predicted: float | None
    cost: Decimal
    lead_time_hours: Decimal


@dataclass(frozen=True)
class Comparison:
    """Both batches, and each design: what enters first, then what leaves, then what stays."""

    before: BatchView
    after: BatchView
    lines: Sequence[ComparedLine]
    entering: int
    leaving: int


@dataclass(frozen=True)
class Waiting:
    """A comparison whose rankings are not done; the address is asked again until they are."""

    url: str
    status: RunStatus
    percent: float
    message: str


@dataclass(frozen=True, kw_only=True)
class WhatIfContext(Context):
    """The page of dry runs.

    Attributes:
        frame: the layout's needs.
        present_round_id: the round whose settings are compared with, None before there is one.
        fields: settings that may be changed, filled in with the present ones.
        waiting: while the rankings are under way.
        comparison: when they are done.
        target_unit: of predictions.
        currency: of costs.
    """

    template: ClassVar[str] = "what_if.html"
    frame: Frame
    present_round_id: int | None
    fields: Sequence[FormField]
    waiting: Waiting | None
    comparison: Comparison | None
    target_unit: str
    currency: str
