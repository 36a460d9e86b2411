"""One valuation run: data values, and the surrogate that serves until the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.lossval.baselines import mean_predictor_rmse
from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.encoding import FeatureEncoder, FeatureSpec, Matrix, Row
from worker.lossval.errors import LossValError
from worker.lossval.fitting import fit_surrogate, wrap_network
from worker.lossval.result import LossValResult
from worker.lossval.surrogate import Surrogate, TargetScaling, rmse
from worker.lossval.training import LossValPass, check_training_data, train_lossval

Labelled = tuple[Sequence[Row], Matrix]


@dataclass(frozen=True)
class ValuationOutcome:
    """What one run stores.

    Attributes:
        result: data values, in the order of the training rows.
        surrogate: the one that serves.
        metrics: JSON-able. `serving` (in_run, plain or weighted), `serving_reason`, `validation_rmse` (each
            surrogate and `mean_predictor`; empty without labelled validation rows), `out_of_fold_rmse` (single
            members on rows they did not train on), `validation_r2` and `validation_mae` of the serving
            surrogate (None without), `train_rows`, `target_rows`, `validation_rows`, `encoded_columns`,
            `transport_cost`, `transport_divergence`, `effective_samples`.
    """

    result: LossValResult
    surrogate: Surrogate
    metrics: dict[str, Any]


def run_valuation(
    features: Sequence[FeatureSpec],
    train_rows: Sequence[Row],
    y: Matrix,
    target_rows: Sequence[Row],
    validation: Labelled | None = None,
    config: LossValConfig | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> ValuationOutcome:
    """Value the training rows and train the serving surrogate.

    Three surrogates of one architecture compete: `in_run` (trained with the LossVal loss), `plain`, and
    `weighted` (trained with the learned data weights). The lowest error on labelled validation rows serves;
    without any, `plain` does, because only a measured gain may displace it.

    Args:
        features: the campaign's features.
        train_rows: n labelled rows.
        y: (n,) target.
        target_rows: rows that stand for the target domain; their labels are never used.
        validation: labelled rows (of the target domain) and their targets, for the choice and early stopping.
        config: settings; the task must be regression.
        seed: same seed, input and machine give the same bytes.
        device: `cpu` or `cuda`.
        progress: called with a fraction that never falls; what it raises passes through.

    Raises:
        LossValError: see `training.check_training_data`; a value that is no number; a classification task.
    """
    config = config or LossValConfig()
    if config.task != "regression":
        raise LossValError("a surrogate predicts a number; use `train_lossval` to value classified samples")
    y = np.asarray(y, dtype=np.float64)
    encoder = FeatureEncoder.fit(features, train_rows)
    X, target_X = encoder.transform(train_rows), encoder.transform(target_rows)
    check_training_data(X, y, target_X, config)
    validation = _checked(validation)
    scaling = TargetScaling.fit(y)
    valued = train_lossval(
        X,
        scaling.scale(y),
        target_X,
        config=config,
        seed=seed,
        device=device,
        progress=_part(progress, 0.0, 0.4, "data values"),
    )
    candidates = {"in_run": _in_run(valued, encoder, scaling, X, y, validation)}
    for name, weights, start in (("plain", None, 0.4), ("weighted", valued.result.weights, 0.7)):
        candidates[name] = fit_surrogate(
            encoder,
            train_rows,
            y,
            weights=weights,
            validation=validation,
            config=config,
            seed=seed + 1,
            device=device,
            progress=_part(progress, start, start + 0.3, name),
        )
    serving, metrics = _choose(candidates, y, validation)
    metrics |= {
        "train_rows": len(y),
        "target_rows": len(target_rows),
        "encoded_columns": X.shape[1],
        "transport_cost": valued.result.transport_cost,
        "transport_divergence": valued.result.transport_divergence,
        "effective_samples": valued.result.curve.effective_samples[-1],
    }
    progress(1.0, f"{serving} surrogate serves")
    return ValuationOutcome(valued.result, candidates[serving], metrics)


def _checked(validation: Labelled | None) -> Labelled | None:
    """None if there are no labelled validation rows."""
    if validation is None or not len(validation[0]):
        return None
    rows, y = validation[0], np.asarray(validation[1], dtype=np.float64)
    if y.shape != (len(rows),) or not np.isfinite(y).all():
        raise LossValError(
            f"{len(rows)} validation rows need as many finite targets; leave unlabelled rows to target_rows"
        )
    return rows, y


def _part(progress: Progress, start: float, end: float, stage: str) -> Progress:
    """Progress of one stage as its share of the whole run."""

    def report(fraction: float, message: str) -> None:
        progress(start + fraction * (end - start), f"{stage}: {message}")

    return report


def _in_run(
    valued: LossValPass,
    encoder: FeatureEncoder,
    scaling: TargetScaling,
    X: Matrix,
    y: Matrix,
    validation: Labelled | None,
) -> Surrogate:
    scaled = None
    if validation is not None:
        scaled = encoder.transform(validation[0]), scaling.scale(validation[1])
    return wrap_network(
        valued.network,
        valued.held_out,
        encoder,
        scaling,
        X,
        scaling.scale(y),
        valued.result.weights,
        scaled,
    )


def _choose(
    candidates: dict[str, Surrogate], y: Matrix, validation: Labelled | None
) -> tuple[str, dict[str, Any]]:
    """Name of the serving surrogate, and the figures behind the choice."""
    out_of_fold = {name: surrogate.out_of_fold_rmse for name, surrogate in candidates.items()}
    metrics: dict[str, Any] = {
        "out_of_fold_rmse": out_of_fold | {"mean_predictor": mean_predictor_rmse(y, y)},
        "validation_rows": 0,
        "validation_rmse": {},
        "validation_r2": None,
        "validation_mae": None,
    }
    if validation is None:
        reason = "no labelled validation rows to measure a gain over plain training"
        return "plain", metrics | {"serving": "plain", "serving_reason": reason}
    rows, truth = validation
    predictions = {name: surrogate.predict(rows)[0] for name, surrogate in candidates.items()}
    errors = {name: rmse(prediction, truth) for name, prediction in predictions.items()}
    # `plain` first: it keeps serving at a tie.
    serving = min(("plain", "weighted", "in_run"), key=errors.__getitem__)
    variance = float(np.var(truth))
    return serving, metrics | {
        "serving": serving,
        "serving_reason": "lowest error on the labelled validation rows",
        "validation_rows": len(truth),
        "validation_rmse": errors | {"mean_predictor": mean_predictor_rmse(y, truth)},
        "validation_r2": 1.0 - errors[serving] ** 2 / variance if variance > 0 else None,
        "validation_mae": float(np.abs(predictions[serving] - truth).mean()),
    }
