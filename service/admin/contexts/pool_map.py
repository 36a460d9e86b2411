"""The map of a round's pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from service.admin.contexts.base import Context, Frame


@dataclass(frozen=True)
class AxisView:
    """An axis in words: what it goes along with, and how much of the picture it is."""

    text: str
    percent: float


@dataclass(frozen=True)
class MapView:
    """What is said about a map; `shown_text` is the honest count."""

    round_id: int
    data_url: str
    axes: Sequence[AxisView]
    explained_percent: float
    shown_text: str


@dataclass(frozen=True, kw_only=True)
class PoolMapContext(Context):
    """The map page.

    Attributes:
        frame: the layout's needs.
        view: the map, None when no round has one.
        round_ids: rounds that have a map, newest first.
        target: what is predicted.
        target_unit: of predictions and their spread.
    """

    template: ClassVar[str] = "pool_map.html"
    frame: Frame
    view: MapView | None
    round_ids: Sequence[int]
    target: str
    target_unit: str
