"""Trivial comparators. Whatever claims to find corrupt rows or to predict has to beat these."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError
from worker.lossval.metrics import rmse
from worker.lossval.transport import ground_cost

_BLOCK_ENTRIES = 4_000_000


def mean_predictor_rmse(y_train: Matrix, y: Matrix) -> float:
    """Error of always predicting the training mean, in target units; a useful surrogate is clearly below.

    Args:
        y_train: (n,) training targets.
        y: (m,) targets to predict.
    """
    return rmse(np.full(len(y), y_train.mean()), y)


def random_values(n: int, generator: np.random.Generator) -> Matrix:
    """(n,) data values uniform in [0, 1): the ranking of pure chance."""
    return generator.random(n)


def knn_distance(X: Matrix, k: int = 5) -> NDArray[np.float64]:
    """Mean distance to the k nearest other rows: the simplest detector of feature noise.

    Args:
        X: (n, d) encoded features, n > k.
        k: number of neighbours, at least 1.

    Returns:
        (n,) Euclidean distance of features scaled by 1/sqrt(d); higher = more isolated, worse.

    Raises:
        LossValError: fewer than k + 1 rows.

    Exact: O(n^2 d) time, O(n) memory in blocks; meant for benchmarks, not for very large sets.
    """
    n = len(X)
    if not 1 <= k < n:
        raise LossValError(f"{k} neighbours need 1 <= k < number of rows ({n}); choose a smaller k")
    rows = torch.from_numpy(X)
    result = np.empty(n)
    size = max(1, _BLOCK_ENTRIES // n)
    for start in range(0, n, size):
        distance = (2.0 * ground_cost(rows[start : start + size], rows)).sqrt()
        own = torch.arange(len(distance))
        distance[own, start + own] = torch.inf
        result[start : start + size] = distance.topk(k, largest=False).values.mean(dim=1).numpy()
    return result
