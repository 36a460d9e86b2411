"""Data values of the newest valuation run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from service.admin.contexts.base import Context, Filter, Frame, Pager
from service.admin.contexts.shared import RunLine
from service.admin.quality import Quality


@dataclass(frozen=True)
class ValuedLine:
    """A sample's data value; `why` names the side that pulls it down, `kind` is its diagnosis."""

    name: str
    url: str
    source: str
    group: str
    target: str
    value: str
    spread: str
    value_target_loss: str
    value_transport: str
    rank: int
    kind: str
    side: Literal["label", "features", "none"]
    why: str


@dataclass(frozen=True)
class Choice:
    """A filter by one column: the values to choose from and the chosen one, empty for all."""

    name: str
    label: str
    options: Sequence[str]
    chosen: str


@dataclass(frozen=True, kw_only=True)
class DataValuesContext(Context):
    """Data values of the newest succeeded valuation run.

    Attributes:
        frame: the layout's needs.
        run: that run, None before the first success.
        rows: least valuable first.
        pager: place among the rows that the filters leave.
        target: what is predicted, with its unit.
        quality: of the surrogate that the run trained, None before the first success.
        charts: data of the two charts, for the script.
        kinds: samples by diagnosis, each a filter.
        choices: filters by source and group.
        kept: the chosen diagnosis, which the form of the other filters keeps; empty for all.
        is_filtered: whether a filter is set.
        waiting: suspicious tests that wait for a decision.
        page_url: the page without filters.
        reviews_url: the queue of these tests.
        surrogate_url: where the surrogate is judged.
        runs_url: where a run is requested.
    """

    template: ClassVar[str] = "data_values.html"
    frame: Frame
    run: RunLine | None
    rows: Sequence[ValuedLine]
    pager: Pager
    target: str
    quality: Quality | None
    charts: Mapping[str, Any]
    kinds: Sequence[Filter]
    choices: Sequence[Choice]
    kept: str
    is_filtered: bool
    waiting: int
    page_url: str
    reviews_url: str
    surrogate_url: str
    runs_url: str
