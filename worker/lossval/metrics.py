"""How good predictions are: one report for every set of rows, overall and per load case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.lossval.encoding import Matrix

# The level of the intervals whose coverage is reported.
INTERVAL_LEVEL = 0.9


@dataclass(frozen=True)
class Predictions:
    """Labels of n rows with what was predicted for them, in target units.

    Attributes:
        y: (n,) labels.
        predicted: (n,) predictions.
        half_width: (n,) half width of the 90 % interval around the prediction; None for out-of-fold predictions,
            on whose residuals the intervals were calibrated: their coverage would be no evidence.
        load_cases: n names, or None where the campaign has no load cases.
    """

    y: Matrix
    predicted: Matrix
    half_width: Matrix | None = None
    load_cases: Sequence[str] | None = None


def report(predictions: Predictions, training_mean: float) -> dict[str, Any]:
    """JSON-able figures of n >= 1 rows.

    Args:
        predictions: see there.
        training_mean: mean of the training labels, what the mean predictor says.

    Returns:
        `rows`; `rmse`, `mae`, `q95_error` and `max_error` (95 % quantile and maximum of the absolute error) and
        `baseline_rmse` (of the mean predictor), in target units, lower is better; `r2`, higher is better, 1 is
        perfect, named `cop` for out-of-fold predictions; `coverage_90` (share of the labels inside their 90 %
        interval, to lie near 0.9) and `width_90` (its mean width, target units), not for out-of-fold
        predictions; `load_cases`: name -> the same figures, if the campaign has any. O(n log n).
    """
    figures = _figures(predictions, training_mean)
    if predictions.load_cases is not None:
        figures["load_cases"] = {
            name: _figures(_of_load_case(predictions, name), training_mean)
            for name in sorted(set(predictions.load_cases))
        }
    return figures


def _of_load_case(predictions: Predictions, name: str) -> Predictions:
    assert predictions.load_cases is not None
    mask = np.array([load_case == name for load_case in predictions.load_cases])
    half_width = None if predictions.half_width is None else predictions.half_width[mask]
    return Predictions(predictions.y[mask], predictions.predicted[mask], half_width)


def _figures(predictions: Predictions, training_mean: float) -> dict[str, Any]:
    y, predicted = predictions.y, predictions.predicted
    errors = np.abs(predicted - y)
    figures = {
        "rows": len(y),
        "rmse": rmse(predicted, y),
        "baseline_rmse": rmse(np.full_like(y, training_mean), y),
        "mae": float(errors.mean()),
        "q95_error": float(np.quantile(errors, 0.95)),
        "max_error": float(errors.max()),
    }
    if predictions.half_width is None:
        return figures | {"cop": r2(predicted, y)}
    return figures | {
        "r2": r2(predicted, y),
        "coverage_90": float((errors <= predictions.half_width).mean()),
        "width_90": 2 * float(predictions.half_width.mean()),
    }


def rmse(predicted: Matrix, y: Matrix) -> float:
    """Root mean squared error of (n,) predictions, in target units; lower is better."""
    return math.sqrt(float(np.mean((predicted - y) ** 2)))


def r2(predicted: Matrix, y: Matrix) -> float | None:
    """1 - SSE / SST of (n,) predictions; 1 is perfect, 0 as good as the mean of `y`; None without variance.

    On out-of-fold predictions this is the coefficient of prognosis CoP of Most and Will (Weimar Optimization
    and Stochastic Days 5.0, 2008; 8.0, 2011): the share of the variance of *new* labels that is predicted.
    """
    variance = float(np.mean((y - y.mean()) ** 2))
    return None if variance == 0 else 1 - float(np.mean((predicted - y) ** 2)) / variance
