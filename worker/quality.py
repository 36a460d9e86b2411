"""How good a surrogate is on data that it was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.loading import Snapshot
from worker.lossval.surrogate import Surrogate, rmse

Vector = NDArray[np.float64]


def quality(snapshot: Snapshot, surrogate: Surrogate) -> dict[str, Any]:
    """Error of the surrogate and of the mean predictor, in target units.

    Measured on the holdout; without one on the labelled validation samples, which also chose between
    surrogates and so flatter a little (`measured_on` says which); without both there are no figures.
    """
    measured_on, data = "holdout", snapshot.holdout
    if not data.ids:
        measured_on, data = "validation", snapshot.validation
    if not data.ids:
        return {"measured_on": None, "target_unit": snapshot.target.unit}
    predicted, _ = surrogate.predict(data.rows)
    mean = np.full_like(data.targets, snapshot.train.targets.mean())
    return {
        "measured_on": measured_on,
        "measured_samples": len(data.ids),
        "target_unit": snapshot.target.unit,
        "rmse": rmse(predicted, data.targets),
        "baseline_rmse": rmse(mean, data.targets),
        "r2": r2(predicted, data.targets),
    }


def r2(predicted: Vector, measured: Vector) -> float | None:
    """1 - squared error / variance; 1 is perfect, 0 as good as the mean of `measured`; None without variance."""
    variance = float(np.mean((measured - measured.mean()) ** 2))
    return None if variance == 0 else 1 - float(np.mean((predicted - measured) ** 2)) / variance
