"""Exact Shapley values of the K-nearest-neighbour model.

Jia et al., *Efficient task-specific data valuation for nearest neighbor algorithms*, PVLDB 12(11), 2019:
theorem 1 (classification) and theorem 6 (regression, here with the squared error of the mean of the K
nearest targets). The value of a sample is the mean over the validation rows of its Shapley value in the game

    classification:  v(S) = (1/K) |{k <= min(K, |S|): y_(k) = y}|
    regression:      v(S) = -((1/K) sum_{k <= min(K, |S|)} y_(k) - y)^2

where (k) is the k-th nearest of S. A subset with fewer than K samples is completed by wrong answers or by
zeros; zero is the training mean of a standardised target. Samples at equal distance count in the order of the
rows, so only equal samples with equal labels are sure of equal values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from worker.lossval.config import Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError
from worker.lossval.problem import ValuationProblem, check_problem
from worker.lossval.result import DataValues
from worker.lossval.transport import ground_cost

_BLOCK_ENTRIES = 1_000_000


@dataclass(frozen=True)
class KnnShapley:
    """Value = exact Shapley value of the K-nearest-neighbour model, averaged over the validation rows.

    Attributes:
        neighbours: K; all samples where there are fewer.

    The values of all samples sum to the mean of v(all) - v(none): efficiency.
    O(m n (d + log n)) time, O(n) memory.
    """

    neighbours: int = 10

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise LossValError(f"neighbours must be at least 1, not {self.neighbours}")

    def __call__(
        self,
        problem: ValuationProblem,
        *,
        seed: int = 0,  # noqa: ARG002  nothing here is drawn
        progress: Progress = no_progress,
    ) -> DataValues:
        check_problem(problem, validation=True)
        assert problem.y_validation is not None
        n, m = len(problem.X), len(problem.X_validation)
        recursion = _classification if problem.task == "classification" else _regression
        neighbours = min(self.neighbours, n)
        X = torch.from_numpy(problem.X)
        total = np.zeros(n)
        size = max(1, _BLOCK_ENTRIES // n)
        for start in range(0, m, size):
            progress(start / m, "Shapley values of nearest neighbours")
            block = slice(start, start + size)
            cost = ground_cost(torch.from_numpy(problem.X_validation[block]), X).numpy()
            order = np.argsort(cost, axis=1, kind="stable")
            values = np.empty_like(cost)
            sorted_values = recursion(problem.y[order], problem.y_validation[block], neighbours)
            np.put_along_axis(values, order, sorted_values, axis=1)
            total += values.sum(axis=0)
        return DataValues(values=total / m, spread=np.zeros(n))


def _classification(y: Matrix, truth: Matrix, K: int) -> Matrix:
    """(m, n) Shapley values by theorem 1; y (m, n) labels from the nearest to the farthest, truth (m,)."""
    n = y.shape[1]
    matches = (y == truth[:, None]).astype(np.float64)
    i = np.arange(1, n)
    steps = -np.diff(matches, axis=1) / K * np.minimum(K, i) / i
    return _from_the_farthest(matches[:, -1] / n, steps)


def _regression(y: Matrix, truth: Matrix, K: int) -> Matrix:
    """(m, n) Shapley values by theorem 6; y (m, n) targets from the nearest to the farthest, truth (m,).

    With a sample's place i in that order, s_i - s_(i+1) is (y_(i+1) - y_i)/K times the expectation, over the
    Shapley distribution of the others, of [fewer than K of them are nearer] x (sum of the pair and of twice
    the K-1 nearest others, over K, minus twice the truth).
    """
    n = y.shape[1]
    i = np.arange(1, n)
    before = np.cumsum(y, axis=1) - y
    nearest = np.minimum(K, i) / i  # probability that fewer than K others are nearer
    nearer = nearest * np.minimum(K - 1, i - 1) / np.maximum(i - 1, 1)
    place = np.arange(3, n + 1)
    farther = np.zeros(n)
    farther[2:] = np.minimum(K, place - 1) * np.minimum(K - 1, place - 2) / ((place - 1) * (place - 2))
    behind = np.flip(np.cumsum(np.flip(y * farther, axis=1), axis=1), axis=1)
    behind_pair = np.concatenate([behind[:, 2:], np.zeros((len(y), 1))], axis=1)
    pair = y[:, :-1] + y[:, 1:]
    expected = nearest * (pair / K - 2.0 * truth[:, None]) + (nearer * before[:, :-1] + behind_pair) / K
    others = K * (K - 1) / (n * (n - 1)) * before[:, -1] / K
    farthest = -y[:, -1] / K * (others + K / n * (y[:, -1] / K - 2.0 * truth))
    return _from_the_farthest(farthest, np.diff(y, axis=1) / K * expected)


def _from_the_farthest(farthest: Matrix, steps: Matrix) -> Matrix:
    """(m, n) s with s_n = farthest (m,) and s_i = s_(i+1) + steps_i (m, n-1)."""
    values = np.concatenate([steps, farthest[:, None]], axis=1)
    return np.flip(np.cumsum(np.flip(values, axis=1), axis=1), axis=1)
