"""Mean distance to the nearest neighbours: the simplest detector of feature noise, and a hard one to beat.

The score of Angiulli and Pizzuti, *Fast outlier detection in high dimensional spaces* (PKDD 2002), as a mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from worker.lossval.config import Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError
from worker.lossval.problem import ValuationProblem, check_problem
from worker.lossval.result import DataValues
from worker.lossval.transport import ground_cost

_BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True)
class KnnDistance:
    """Value = negative mean distance to the k nearest other training samples; labels play no part.

    Attributes:
        k: number of neighbours; all others where there are fewer.

    O(n^2 d) time, O(n) memory.
    """

    k: int = 5

    def __call__(
        self,
        problem: ValuationProblem,
        *,
        seed: int = 0,  # noqa: ARG002  nothing here is drawn
        progress: Progress = no_progress,
    ) -> DataValues:
        check_problem(problem, labels=False)
        distance = knn_distance(problem.X, min(self.k, len(problem.X) - 1), progress)
        return DataValues(values=-distance, spread=np.zeros(len(distance)))


def knn_distance(X: Matrix, k: int = 5, progress: Progress = no_progress) -> NDArray[np.float64]:
    """Mean distance to the k nearest other rows.

    Args:
        X: (n, d) encoded features, n > k.
        k: number of neighbours, at least 1.
        progress: called once a block; what it raises passes through.

    Returns:
        (n,) Euclidean distance of features scaled by 1/sqrt(d); higher = more isolated, worse.

    Raises:
        LossValError: fewer than k + 1 rows.

    Exact: O(n^2 d) time, O(n) memory in blocks.
    """
    n = len(X)
    if not 1 <= k < n:
        raise LossValError(f"{k} neighbours need 1 <= k < number of rows ({n}); choose a smaller k")
    rows = torch.from_numpy(X)
    result = np.empty(n)
    size = max(1, _BLOCK_ENTRIES // n)
    for start in range(0, n, size):
        progress(start / n, "distances to the nearest neighbours")
        distance = (2.0 * ground_cost(rows[start : start + size], rows)).sqrt()
        own = torch.arange(len(distance))
        distance[own, start + own] = torch.inf
        result[start : start + size] = distance.topk(k, largest=False).values.mean(dim=1).numpy()
    return result
