"""Data values of the newest valuation run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from service.admin.contexts.base import Context, Frame, Pager
from service.admin.contexts.shared import RunLine, ValueLine
from service.admin.quality import Quality


@dataclass(frozen=True, kw_only=True)
class DataValuesContext(Context):
    """Data values of the newest succeeded valuation run.

    Attributes:
        frame: the layout's needs.
        run: that run, None before the first success.
        rows: least valuable first.
        pager: place among all rows.
        target: what is predicted, with its unit.
        quality: of the surrogate that the run trained, None before the first success.
        charts: data of the two charts, for the script.
        runs_url: where a run is requested.
    """

    template: ClassVar[str] = "data_values.html"
    frame: Frame
    run: RunLine | None
    rows: Sequence[ValueLine]
    pager: Pager
    target: str
    quality: Quality | None
    charts: Mapping[str, Any]
    runs_url: str
