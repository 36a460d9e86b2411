"""The surrogate that serves, and its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from service.admin.contexts.base import Context, Filter, Frame
from service.admin.quality import Quality
from service.valuations.schemas import GateRead


@dataclass(frozen=True)
class VersionLine:
    """A version beside the others; figures are texts with units, `promote_url` is None for the one that serves.

    `gate` is the judgement on it, None where it is not asked for; `is_overriding` says that serving needs a reason.
    """

    surrogate_id: int
    run_id: int
    created_at: datetime
    serves: bool
    rmse: str
    q95_error: str
    r2: str
    coverage: str
    measured_on: str
    network: str
    train_rows: str
    settings: str
    seed: int
    sha256: str
    gate: GateRead | None
    is_overriding: bool
    promote_url: str | None
    assessment_url: str


@dataclass(frozen=True)
class PromotionLine:
    """Since when which surrogate serves, and why it may."""

    surrogate_id: int
    outcome: str
    actor: str
    reason: str
    created_at: datetime


@dataclass(frozen=True)
class CoverageLine:
    """Nominal against observed coverage; `verdict` in words, `width` with its unit."""

    level: float
    observed: float
    width: str
    verdict: str


@dataclass(frozen=True)
class ResidualLine:
    """Residuals (predicted minus label) of one load case."""

    name: str
    rows: int
    mean: str
    middle: str
    most: str


@dataclass(frozen=True, kw_only=True)
class SurrogateContext(Context):
    """How good the surrogate is, where it errs, whether its intervals hold, and which version serves.

    Attributes:
        frame: the layout's needs.
        target: what is predicted, with its unit.
        shown: the version whose plots are shown, None before the first valuation.
        serving_id: the surrogate that serves, None before the first valuation.
        quality: figures of the shown version.
        measured: the rows of the plots in words, empty when the version stored none.
        measured_note: what these rows are, and how many of how many are drawn.
        sets: choice of the rows.
        coverage: nominal against observed, empty out of fold.
        coverage_note: why there is no coverage, or what it was measured on.
        residuals: one line per load case.
        versions: newest first.
        versions_total: how many there are.
        promotions: newest first.
        charts: data for the script, empty without an assessment.
        tolerance_percent: by how much the error of a version that may serve may exceed that of the present one.
        runs_url: where a valuation is requested.
    """

    template: ClassVar[str] = "surrogate.html"
    frame: Frame
    target: str
    shown: VersionLine | None
    serving_id: int | None
    quality: Quality | None
    measured: str
    measured_note: str
    sets: Sequence[Filter]
    coverage: Sequence[CoverageLine]
    coverage_note: str
    residuals: Sequence[ResidualLine]
    versions: Sequence[VersionLine]
    versions_total: int
    promotions: Sequence[PromotionLine]
    charts: Mapping[str, Any]
    tolerance_percent: float
    runs_url: str
