"""What is to be valued, and the check that every baseline makes of it first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.lossval.config import Task
from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError

_LEAST_SAMPLES = 2
_LEAST_FOR_TRAINING = 10
_LARGEST = 1e6  # standard deviations; far beyond any measurement, and its fourth power is still exact enough


@dataclass(frozen=True)
class ValuationProblem:
    """What is to be valued, and for which target domain.

    Attributes:
        X: (n, d) encoded training features.
        y: (n,) standardised target, or class indices 0..c-1.
        X_validation: (m, d) encoded features of the target domain.
        y_validation: (m,) their targets on the same scale, or None: LossVal never looks at them, some
            baselines cannot do without.
        task: regression or classification.
    """

    X: Matrix
    y: Matrix
    X_validation: Matrix
    y_validation: Matrix | None
    task: Task

    @property
    def classes(self) -> int:
        """c, the number of classes; 1 for regression."""
        return int(self.y.max()) + 1 if self.task == "classification" else 1

    @property
    def targets(self) -> Matrix:
        """(n, c) the training targets as columns, one-hot for classification."""
        return as_columns(self.y, self.classes)


def as_columns(y: Matrix, classes: int) -> Matrix:
    """(n, c) targets as columns: one-hot for c > 1 classes, else y as the only column."""
    return np.eye(classes)[y.astype(np.int64)] if classes > 1 else y[:, None].astype(np.float64)


def check_problem(problem: ValuationProblem, *, labels: bool = True, validation: bool = False) -> None:
    """Refuse what cannot be valued. O(n d).

    Constant columns and repeated rows are no error: the values are finite, equal where nothing tells
    samples apart.

    Args:
        problem: what is to be valued.
        labels: the method looks at the training labels: they must differ.
        validation: the method looks at labelled validation rows: there must be some.

    Raises:
        LossValError: fewer than two samples, no columns, shapes that do not fit, a number that is not finite
            or beyond 1e6; with `labels` a constant target or a single class; with `validation` no rows or
            no labels.
    """
    n = len(problem.X)
    if n < _LEAST_SAMPLES:
        raise LossValError(
            f"{n} labelled training samples; at least two are needed to tell their values apart"
        )
    if problem.X.ndim != 2 or problem.X.shape[1:] != problem.X_validation.shape[1:] or len(problem.y) != n:
        raise LossValError(
            f"shapes do not fit: X {problem.X.shape}, y {problem.y.shape}, validation {problem.X_validation.shape}"
        )
    if not problem.X.shape[1]:
        raise LossValError("the features have no column left; declare a feature that some training row has")
    _check_numbers("features", problem.X)
    _check_numbers("target", problem.y)
    _check_numbers("validation features", problem.X_validation)
    if labels:
        check_labels(problem.y, problem.task)
    if validation:
        _check_validation(problem)


def check_training_data(X: Matrix, y: Matrix, target: Matrix, task: Task) -> None:
    """Refuse what cannot be valued.

    Constant features are no error: they carry no information, the transport is then 0 for every sample and
    the values come from the target loss alone.

    Raises:
        LossValError: fewer than 10 samples, no target domain, no columns, anything not finite, a constant
            target, a single class, or class labels other than 0..c-1.
    """
    if len(X) < _LEAST_FOR_TRAINING:
        raise LossValError(
            f"{len(X)} labelled training samples; at least {_LEAST_FOR_TRAINING} are needed. Import more tests "
            "or move samples from validation to training"
        )
    if not len(target):
        raise LossValError(
            "no rows stand for the target domain; mark samples as validation or add candidates"
        )
    if len(y) != len(X) or X.shape[1] != target.shape[1]:
        raise LossValError(f"shapes do not fit: X {X.shape}, y {y.shape}, target domain {target.shape}")
    if not X.shape[1]:
        raise LossValError("the features have no column left; declare a feature that some training row has")
    for name, array in (("features", X), ("target", y), ("target-domain features", target)):
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise LossValError(f"{name}: row {row} has NaN or infinity; correct or remove that row")
    check_labels(y, task)


def check_labels(y: Matrix, task: Task) -> None:
    """Refuse labels from which nothing can be learned.

    Raises:
        LossValError: a constant target, a single class, or class labels other than 0..c-1.
    """
    distinct = np.unique(y)
    if task == "regression":
        if np.ptp(distinct) <= 1e-12 * np.abs(distinct).max():
            raise LossValError(
                f"the target is {distinct[0]:g} for every sample: nothing to learn; check the target column"
            )
    elif len(distinct) == 1:
        raise LossValError("all samples have the same class; add samples of another class")
    elif not np.array_equal(distinct, np.arange(len(distinct))):
        raise LossValError("class labels must be 0, 1, ..., c-1, each present; number the classes anew")


def _check_numbers(name: str, array: Matrix) -> None:
    fits = np.isfinite(array) & (np.abs(array) <= _LARGEST)
    if not fits.all():
        row = int(np.argwhere(~fits)[0][0])
        value = array[row][~fits[row]][0] if array.ndim > 1 else array[row]
        if np.isfinite(value):
            raise LossValError(
                f"{name}: row {row} has {value:g}; standardise with the training mean and standard deviation, "
                "or remove that row"
            )
        raise LossValError(f"{name}: row {row} has NaN or infinity; correct or remove that row")


def _check_validation(problem: ValuationProblem) -> None:
    y = problem.y_validation
    if y is None or not len(problem.X_validation):
        raise LossValError(
            "this method measures utility on labelled validation rows and there are none; give some, or use "
            "a method without (lossval, data_oob, out_of_fold_loss, knn_distance)"
        )
    if y.shape != (len(problem.X_validation),):
        raise LossValError(f"{len(problem.X_validation)} validation rows, but labels of shape {y.shape}")
    _check_numbers("validation target", y)
    if problem.task == "classification" and not np.isin(y, np.unique(problem.y)).all():
        strange = y[~np.isin(y, np.unique(problem.y))][0]
        raise LossValError(
            f"class {strange:g} is among the validation rows but not among the training samples; "
            "remove those rows or add samples of that class"
        )
