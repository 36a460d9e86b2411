"""Data-OOB: how well bagged learners that did not see a sample predict it.

Kwon and Zou, *Data-OOB: Out-of-bag estimate as a simple and efficient data value*, ICML 2023, equation 4, with
T = [prediction = label] for classes and T = -(prediction - target)^2 for a real-valued target.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.lossval.baselines.ridge import Ridge
from worker.lossval.config import Progress, Task, no_progress
from worker.lossval.errors import LossValError
from worker.lossval.problem import ValuationProblem, check_problem
from worker.lossval.result import DataValues


@dataclass(frozen=True)
class DataOob:
    """Value = mean score of a sample over the bags that lack it; spread = its standard deviation there.

    The weak learner is a ridge regression on random features, whose width and penalty are chosen once on all
    samples. No validation rows are used.

    Attributes:
        bags: number of bootstrap samples.

    O(bags (n p^2 + p^3)) time, O(n p) memory, p = 201 + d features.
    """

    bags: int = 100

    def __post_init__(self) -> None:
        if self.bags < 1:
            raise LossValError(f"bags must be at least 1, not {self.bags}")

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        check_problem(problem)
        generator = torch.Generator().manual_seed(seed)
        X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
        targets = torch.from_numpy(problem.targets)
        ridge = Ridge.select(X, targets, generator)
        Phi, n = ridge.features(X), len(X)
        # Welford's sums: count, mean and squared deviation of each sample's out-of-bag scores.
        count, mean, squares = torch.zeros(3, n, dtype=torch.float64)
        for bag in range(self.bags):
            progress(bag / self.bags, f"bag {bag + 1} of {self.bags}")
            drawn = torch.randint(n, (n,), generator=generator).bincount(minlength=n).double()
            scores = out_of_bag_score(Phi @ ridge.fit(Phi, targets, drawn), y, problem.task)
            out = drawn == 0
            count += out
            change = (scores - mean) * out
            step = change / count.clamp_min(1.0)
            mean += step
            squares += change * (change - step)
        if not bool(count.all()):
            raise LossValError(f"row {int(count.argmin())} is in every bag; draw more than {self.bags} bags")
        spread = (squares / (count - 1.0).clamp_min(1.0)).sqrt()
        return DataValues(values=mean.numpy(), spread=spread.numpy())


def out_of_bag_score(prediction: Tensor, y: Tensor, task: Task) -> Tensor:
    """(n,) T of (n, c) predictions: 1 or 0 for a right or wrong class, negative squared error; higher = better."""
    if task == "classification":
        return (prediction.argmax(dim=1) == y).double()
    return -(prediction[:, 0] - y).square()
