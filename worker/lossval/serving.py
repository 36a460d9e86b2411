"""Which of the trained surrogates serves, and the figures that say why.

With labelled validation rows the lowest error there decides. Without any, the lowest out-of-fold error on the
trusted training rows does: those that do not stand out by more than 3 robust standard deviations of the *plain*
surrogate's out-of-fold residual. That surrogate was not told which rows are suspicious. To leave out what the
data values call suspicious would let a surrogate choose the rows that it is judged on: one that gave a hard
region up would win. Mean excess of the RMSE over the best choice, 7 data sets with 0 to 20 % wrong labels (35
runs, worst in brackets): trusted rows 1 % (17 %), all rows 3 % (19 %), always plain 10 % (47 %), rows with data
value above -3: 14 % (149 %); for comparison, 30 to 100 validation rows as noisy as the training rows: 4 % (28 %).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.lossval.assessment import assess_out_of_fold, assess_rows
from worker.lossval.encoding import FeatureSpec, Matrix, Row
from worker.lossval.errors import LossValError
from worker.lossval.fitting import FittedSurrogate
from worker.lossval.intervals import NORMAL_MAD, Residuals, estimate_wrong_label_share
from worker.lossval.metrics import INTERVAL_LEVEL, Predictions, report, rmse
from worker.lossval.surrogate import Surrogate

Labelled = tuple[Sequence[Row], Matrix]
# The first keeps serving at a tie.
CANDIDATES = ("plain", "weighted", "in_run")
TRUSTED_SD = 3.0


@dataclass(frozen=True)
class Serving:
    """The surrogate that serves, with intervals, and the figures behind the choice.

    Attributes:
        name: in_run, plain or weighted.
        surrogate: with intervals calibrated for the estimated share of wrong labels.
        metrics: JSON-able, see `choose`.
        assessment: JSON-able: `holdout` and `validation` (None without rows) and `out_of_fold`, see `assessment.py`.
    """

    name: str
    surrogate: Surrogate
    metrics: dict[str, Any]
    assessment: dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """Rows to measure on.

    Attributes:
        train: labelled rows that were trained on, for load cases and the mean predictor.
        validation: labelled rows that choose, or None.
        holdout: labelled rows that are only reported on, or None.
        load_case: name of the categorical feature whose categories are the load cases, or None.
    """

    train: Labelled
    validation: Labelled | None
    holdout: Labelled | None
    load_case: str | None

    def load_cases(self, rows: Sequence[Row]) -> list[str] | None:
        """Load case of each row, `missing` where it has none; None without load cases."""
        if self.load_case is None:
            return None
        values = [row.get(self.load_case) for row in rows]
        return ["missing" if value is None else str(value) for value in values]


def check_load_case(features: Sequence[FeatureSpec], load_case: str | None) -> None:
    """Refuse a load case that is no categorical feature.

    Raises:
        LossValError: naming those that are.
    """
    known = [feature.name for feature in features if feature.kind == "categorical"]
    if load_case is not None and load_case not in known:
        raise LossValError(
            f"load case '{load_case}' is no categorical feature; use one of {', '.join(known) or '(none)'}"
        )


def choose(
    candidates: Mapping[str, FittedSurrogate], value_target_loss: Matrix, evaluation: Evaluation
) -> Serving:
    """The surrogate with the lowest error.

    Args:
        candidates: by name, trained on the same rows; `plain` is among them, the others of `CANDIDATES` may be.
        value_target_loss: (n,) one minus the probability that a label is wrong; the mean probability bounds the
            share of wrong labels.
        evaluation: rows to choose by and to report on.

    Returns:
        The choice. `metrics`: `serving`; `serving_reason`; `trusted_rows`; `trusted_rmse` (name -> out-of-fold
        RMSE on them); `wrong_label_share` (estimate that the intervals allow for); reports (see
        `metrics.report`) `out_of_fold` and `validation` (name -> report, empty without rows) and `holdout` (of
        the serving one, None without rows); and the headline `measured_on` (holdout, else validation, else
        out_of_fold) with `measured_samples`, `rmse`, `baseline_rmse` and `r2` of the serving one there.
    """
    names = [name for name in CANDIDATES if name in candidates]
    trusted = trusted_rows(candidates["plain"].residuals)
    trusted_rmse = {
        name: rmse(candidates[name].residuals.predicted[trusted], candidates[name].residuals.y[trusted])
        for name in names
    }
    share = estimate_wrong_label_share(
        candidates["plain"].residuals, most=float((1.0 - value_target_loss).mean())
    )
    surrogates = {name: candidates[name].calibrated(share) for name in names}
    validation = {name: _measured(surrogates[name], evaluation.validation, evaluation) for name in names}
    by_validation = evaluation.validation is not None
    errors = {name: found["rmse"] for name, found in validation.items() if found} or trusted_rmse
    name = min(names, key=errors.__getitem__)
    metrics: dict[str, Any] = {
        "serving": name,
        "serving_reason": _reason(name, errors, by_validation=by_validation),
        "trusted_rows": int(trusted.sum()),
        "trusted_rmse": trusted_rmse,
        "wrong_label_share": share,
        "out_of_fold": {key: _out_of_fold(candidates[key].residuals, evaluation) for key in names},
        "validation": validation if by_validation else {},
        "holdout": _measured(surrogates[name], evaluation.holdout, evaluation),
    }
    assessment = _assessment(surrogates[name], candidates[name].residuals, evaluation)
    return Serving(name, surrogates[name], metrics | _headline(name, metrics), assessment)


def trusted_rows(residuals: Residuals) -> NDArray[np.bool_]:
    """(n,) bool: the row's absolute residual is less than 3 robust standard deviations above the typical one."""
    errors = np.abs(residuals.y - residuals.predicted)
    center, scale = _robust_scale(errors)
    return errors < center + TRUSTED_SD * scale


def _robust_scale(errors: Matrix) -> tuple[float, float]:
    """Median, and the larger of 1.4826 MAD and half the standard deviation; scale 1 if all are equal."""
    center = float(np.median(errors))
    scale = max(NORMAL_MAD * float(np.median(np.abs(errors - center))), 0.5 * float(errors.std()))
    return center, scale if scale > 1e-12 * float(np.abs(errors).max()) else 1.0


def _reason(name: str, errors: Mapping[str, float], *, by_validation: bool) -> str:
    where = (
        "on the labelled validation rows"
        if by_validation
        else "out of fold on the trusted training rows (there are no labelled validation rows)"
    )
    figures = ", ".join(f"{other} {errors[other]:.4g}" for other in sorted(errors, key=errors.__getitem__))
    return f"{name} has the lowest RMSE {where}: {figures}"


def _measured(
    surrogate: Surrogate, labelled: Labelled | None, evaluation: Evaluation
) -> dict[str, Any] | None:
    if labelled is None:
        return None
    rows, y = labelled
    predicted, half_width = surrogate.mean_and_half_width(rows, INTERVAL_LEVEL)
    predictions = Predictions(y, predicted, half_width, evaluation.load_cases(rows))
    return report(predictions, float(evaluation.train[1].mean()))


def _assessment(surrogate: Surrogate, residuals: Residuals, evaluation: Evaluation) -> dict[str, Any]:
    sets = {"holdout": evaluation.holdout, "validation": evaluation.validation}
    measured = {
        name: None if found is None else assess_rows(surrogate, found, evaluation.load_cases(found[0]))
        for name, found in sets.items()
    }
    return measured | {
        "out_of_fold": assess_out_of_fold(residuals, evaluation.load_cases(evaluation.train[0]))
    }


def _out_of_fold(residuals: Residuals, evaluation: Evaluation) -> dict[str, Any]:
    load_cases = evaluation.load_cases(evaluation.train[0])
    predictions = Predictions(residuals.y, residuals.predicted, load_cases=load_cases)
    return report(predictions, float(residuals.y.mean()))


def _headline(name: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    reports = {
        "holdout": metrics["holdout"],
        "validation": metrics["validation"].get(name),
        "out_of_fold": metrics["out_of_fold"][name],
    }
    measured_on, found = next((key, found) for key, found in reports.items() if found is not None)
    return {
        "measured_on": measured_on,
        "measured_samples": found["rows"],
        "rmse": found["rmse"],
        "baseline_rmse": found["baseline_rmse"],
        "r2": found["cop" if measured_on == "out_of_fold" else "r2"],
    }
