"""What people look at before they trust a surrogate: predictions beside labels, residuals, coverage.

The figures of `metrics.report` say how large the errors are; this says where they lie and whether the intervals
keep what they promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.lossval.encoding import Matrix, Row
from worker.lossval.errors import LossValError
from worker.lossval.intervals import Residuals
from worker.lossval.metrics import INTERVAL_LEVEL
from worker.lossval.surrogate import Surrogate

# Nominal levels at which the intervals are held against the labels.
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# More points than these look the same, and a version would take megabytes.
MOST_POINTS = 4000
ALL_ROWS = "all"


@dataclass(frozen=True)
class Assessed:
    """Labels of one set of rows beside predictions, in target units.

    Attributes:
        y: (n,) labels.
        predicted: (n,) predictions.
        half_width: (n,) of the 90 % interval; None for out-of-fold predictions, see `metrics.Predictions`.
        load_cases: n names, or None.
    """

    y: Matrix
    predicted: Matrix
    half_width: Matrix | None
    load_cases: Sequence[str] | None


def assess_rows(
    surrogate: Surrogate, labelled: tuple[Sequence[Row], Matrix], load_cases: Sequence[str] | None
) -> dict[str, Any]:
    """The document of rows that the surrogate was not trained on; see `document_of`. O(n log n) and a prediction."""
    rows, y = labelled
    predicted, half_width = surrogate.mean_and_half_width(rows, INTERVAL_LEVEL)
    found = document_of(Assessed(y, predicted, half_width, load_cases))
    return found | {"coverage": coverage_of(surrogate, np.abs(y - predicted), half_width)}


def assess_out_of_fold(residuals: Residuals, load_cases: Sequence[str] | None) -> dict[str, Any]:
    """The document of training rows, each predicted by the members that were not trained on it."""
    return document_of(Assessed(residuals.y, residuals.predicted, None, load_cases)) | {"coverage": None}


def document_of(assessed: Assessed) -> dict[str, Any]:
    """JSON-able: points for a plot of labels against predictions, and residuals over all rows.

    Returns:
        `total` rows; `rows` (positions of the at most 4,000 kept ones, evenly spread), `label`, `predicted`,
        `half_width` and `load_case` (or None) of these; `residuals`: load case, or `all` -> `rows`, `mean` and
        `quantiles` (at `QUANTILES`) of predicted minus label over all its rows, target units.
    """
    kept = spread_evenly(len(assessed.y), MOST_POINTS)
    cases = assessed.load_cases
    return {
        "total": len(assessed.y),
        "rows": kept.tolist(),
        "label": _short(assessed.y[kept]),
        "predicted": _short(assessed.predicted[kept]),
        "half_width": None if assessed.half_width is None else _short(assessed.half_width[kept]),
        "load_case": None if cases is None else [cases[row] for row in kept.tolist()],
        "residuals": _residuals(assessed),
    }


def spread_evenly(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of `count` positions, ascending; all of them where they fit."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.intp))


def coverage_of(surrogate: Surrogate, errors: Matrix, half_width: Matrix) -> list[dict[str, float]]:
    """Observed coverage of the intervals by nominal level, with their mean width in target units.

    A level that the training rows do not carry is left out. Widths of all levels are multiples of each other.

    Args:
        surrogate: with a calibration.
        errors: (n,) absolute errors.
        half_width: (n,) at `INTERVAL_LEVEL`.
    """
    calibration = surrogate.calibration
    assert calibration is not None
    base, found = calibration.quantile(INTERVAL_LEVEL), []
    for level in LEVELS:
        try:
            factor = calibration.quantile(level) / base if base > 0 else 1.0
        except LossValError:
            break
        observed = float((errors <= factor * half_width).mean())
        found.append({"level": level, "observed": observed, "width": 2 * factor * float(half_width.mean())})
    return found


def _residuals(assessed: Assessed) -> dict[str, Any]:
    residual = assessed.predicted - assessed.y
    if assessed.load_cases is None:
        return {ALL_ROWS: _summary(residual)}
    names = np.array(assessed.load_cases)
    return {name: _summary(residual[names == name]) for name in sorted(set(assessed.load_cases))}


def _summary(residual: Matrix) -> dict[str, Any]:
    return {
        "rows": len(residual),
        "mean": float(residual.mean()),
        "quantiles": _short(np.quantile(residual, QUANTILES)),
    }


def _short(values: Matrix) -> list[float]:
    """Seven figures: beyond what a label can mean, at half the size."""
    return [float(f"{value:.7g}") for value in values.tolist()]
