"""What needs no method: the ranking of pure chance, the prediction that knows only the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.lossval.config import Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.metrics import rmse
from worker.lossval.problem import ValuationProblem, check_problem
from worker.lossval.result import DataValues


def mean_predictor_rmse(y_train: Matrix, y: Matrix) -> float:
    """Error of always predicting the training mean, in target units; a useful surrogate is clearly below.

    Args:
        y_train: (n,) training targets.
        y: (m,) targets to predict.
    """
    return rmse(np.full(len(y), y_train.mean()), y)


@dataclass(frozen=True)
class RandomValues:
    """Values uniform in [0, 1): the ranking of pure chance. Looks at nothing; O(n)."""

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        check_problem(problem, labels=False)
        n = len(problem.X)
        progress(1.0, "random values")
        return DataValues(values=np.random.default_rng(seed).random(n), spread=np.zeros(n))
