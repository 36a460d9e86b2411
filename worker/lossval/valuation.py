"""One valuation run: data values, and the surrogate that serves until the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from worker.lossval.checkpoint import Checkpoint
from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.encoding import FeatureEncoder, FeatureSpec, Matrix, Row
from worker.lossval.errors import LossValError
from worker.lossval.fitting import FittedSurrogate, fit_surrogate, wrap_network
from worker.lossval.passes import Valued, value_samples
from worker.lossval.problem import check_training_data
from worker.lossval.result import LossValResult
from worker.lossval.serving import Evaluation, Labelled, check_load_case, choose
from worker.lossval.surrogate import Surrogate, TargetScaling


@dataclass(frozen=True)
class ValuationOutcome:
    """What one run stores.

    Attributes:
        result: data values, in the order of the training rows.
        surrogate: the one that serves.
        metrics: JSON-able. The choice with its figures, see `serving.choose`; `rank_stability` (Spearman
            correlation of the values of two disjoint half ensembles, near 1 = stable; None if not known),
            `train_rows`, `target_rows`, `validation_rows`, `encoded_columns`, `transport_cost`,
            `transport_divergence`, `effective_samples`.
        assessment: JSON-able predictions beside labels of the serving surrogate, see `assessment.py`; `rows` are
            positions in the training, validation or holdout rows.
    """

    result: LossValResult
    surrogate: Surrogate
    metrics: dict[str, Any]
    assessment: dict[str, Any]


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
    holdout: Labelled | None = None,
    load_case: str | None = None,
    checkpoint: Checkpoint | None = None,
    resume: bytes | None = None,
) -> ValuationOutcome:
    """Value the training rows and train the serving surrogate.

    Three surrogates of one architecture compete: `in_run` (trained with the LossVal loss), `plain`, and
    `weighted` (trained with the learned data weights). The lowest error serves: on labelled validation rows,
    or without any out of fold on the trusted training rows (see `serving.py`).

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
        holdout: labelled rows that are reported on and decide nothing.
        load_case: name of a categorical feature: the figures are also given for each of its categories.
        checkpoint: called with the state of the valuation pass, at most once a second.
        resume: such a state of the same data, configuration and seed, to go on from to the same bytes.

    Raises:
        CheckpointError: `resume` is of another run.
        LossValError: see `training.check_training_data`; a value that is no number; a classification task; a
            load case that is no categorical feature.
    """
    config = config or LossValConfig()
    if config.task != "regression":
        raise LossValError("a surrogate predicts a number; use `crashscout value` for classes")
    check_load_case(features, load_case)
    y = np.asarray(y, dtype=np.float64)
    encoder = FeatureEncoder.fit(features, train_rows)
    X, target_X = encoder.transform(train_rows), encoder.transform(target_rows)
    check_training_data(X, y, target_X, config.task)
    validation, holdout = _checked(validation, "validation"), _checked(holdout, "holdout")
    scaling = TargetScaling.fit(y)
    valued = value_samples(
        X,
        scaling.scale(y),
        target_X,
        config=config,
        seed=seed,
        device=device,
        progress=_part(progress, 0.0, 0.4, "data values"),
        checkpoint=checkpoint,
        resume=resume,
    )
    candidates = {}
    if valued.held_out is not None:  # without left-out rows it has no out-of-fold residuals to serve with
        candidates["in_run"] = _in_run(valued, valued.held_out, encoder, scaling, (X, y), validation)
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
    evaluation = Evaluation((train_rows, y), validation, holdout, load_case)
    serving = choose(candidates, valued.result.value_target_loss, evaluation)
    metrics = serving.metrics | {
        "train_rows": len(y),
        "target_rows": len(target_rows),
        "validation_rows": 0 if validation is None else len(validation[1]),
        "encoded_columns": X.shape[1],
        "rank_stability": valued.result.rank_stability,
        "transport_cost": valued.result.transport_cost,
        "transport_divergence": valued.result.transport_divergence,
        "effective_samples": valued.result.curve.effective_samples[-1],
    }
    progress(1.0, f"{serving.name} surrogate serves")
    return ValuationOutcome(valued.result, serving.surrogate, metrics, serving.assessment)


def _checked(labelled: Labelled | None, name: str) -> Labelled | None:
    """None if there are no labelled rows of this kind."""
    if labelled is None or not len(labelled[0]):
        return None
    rows, y = labelled[0], np.asarray(labelled[1], dtype=np.float64)
    if y.shape != (len(rows),) or not np.isfinite(y).all():
        raise LossValError(
            f"{len(rows)} {name} rows need as many finite targets; leave unlabelled rows to target_rows"
        )
    return rows, y


def _part(progress: Progress, start: float, end: float, stage: str) -> Progress:
    """Progress of one stage as its share of the whole run."""

    def report(fraction: float, message: str) -> None:
        progress(start + fraction * (end - start), f"{stage}: {message}")

    return report


def _in_run(
    valued: Valued,
    held_out: Tensor,
    encoder: FeatureEncoder,
    scaling: TargetScaling,
    trained_on: tuple[Matrix, Matrix],
    validation: Labelled | None,
) -> FittedSurrogate:
    scaled = None
    if validation is not None:
        scaled = encoder.transform(validation[0]), scaling.scale(validation[1])
    X, y = trained_on
    weights = valued.result.weights
    return wrap_network(valued.network, held_out, encoder, scaling, X, scaling.scale(y), weights, scaled)
