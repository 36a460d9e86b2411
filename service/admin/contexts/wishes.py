"""What people want of the rounds to come: designs that they inject into the next one, or veto in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from service.admin.contexts.base import Context, Frame
from service.admin.contexts.recommendation import FeatureInput


@dataclass(frozen=True)
class WishLine:
    """An injection or a veto that stands; `withdraw_url` is where its end is posted to."""

    name: str
    withdraw_url: str
    source: str
    cost: Decimal
    features: Sequence[tuple[str, str]]
    reason: str
    actor: str
    created_at: datetime
    note: str = ""


@dataclass(frozen=True)
class SourceChoice:
    """A source that a new design may come from."""

    name: str
    cost: Decimal


@dataclass(frozen=True, kw_only=True)
class WishesContext(Context):
    """The page of wishes.

    Attributes:
        frame: the layout's needs.
        injected: what goes into the next round, oldest first.
        vetoed: what goes into none, oldest first.
        injected_cost: money of all that is injected.
        currency: of costs.
        sources: for a new design.
        features: inputs of a new design.
        typed: texts of a form that was refused, by field.
    """

    template: ClassVar[str] = "wishes.html"
    frame: Frame
    injected: Sequence[WishLine]
    vetoed: Sequence[WishLine]
    injected_cost: Decimal
    currency: str
    sources: Sequence[SourceChoice]
    features: Sequence[FeatureInput]
    typed: dict[str, str]
