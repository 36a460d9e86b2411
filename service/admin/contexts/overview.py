"""One campaign at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from service.admin.contexts.base import Context, Frame
from service.admin.contexts.shared import EvidenceView, RunLine, ValueLine
from service.admin.quality import Quality


@dataclass(frozen=True)
class Money:
    """The budget; shares are of the budget, in percent, None without one."""

    budget: Decimal | None
    spent: Decimal
    committed: Decimal
    remaining: Decimal | None
    currency: str
    spent_percent: float | None
    committed_percent: float | None


@dataclass(frozen=True)
class Figure:
    """A count with its name and what it means."""

    label: str
    value: int
    note: str


@dataclass(frozen=True)
class Task:
    """Something that waits for the reader; `url` leads to where it is done."""

    text: str
    url: str | None
    tone: Literal["action", "info", "problem"]


@dataclass(frozen=True, kw_only=True)
class OverviewContext(Context):
    """One campaign at a glance.

    Attributes:
        frame: the layout's needs.
        description: of the campaign, may be empty.
        target: what is predicted, with its unit.
        domain: the target domain in words.
        tasks: what needs the reader now, most urgent first.
        figures: counts of samples.
        money: the budget and what is left of it.
        quality: of the surrogate in use, None before the first.
        evidence: of the newest round.
        runs: newest valuation runs and rounds together.
        suspicious: the samples of lowest data value.
        values_url: the page that lists all of them.
    """

    template: ClassVar[str] = "overview.html"
    frame: Frame
    description: str
    target: str
    domain: str
    tasks: Sequence[Task]
    figures: Sequence[Figure]
    money: Money
    quality: Quality | None
    evidence: EvidenceView
    runs: Sequence[RunLine]
    suspicious: Sequence[ValueLine]
    values_url: str
