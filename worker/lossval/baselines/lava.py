"""LAVA: the calibrated gradient of the transport between training and validation rows, labels included.

Just et al., *LAVA: Data valuation without pre-specified learning algorithms*, ICLR 2023. The ground cost of two
samples is that of their features plus `label_weight` times that of their labels: for classes the Wasserstein
distance between the features of the two classes (equation 1 there), for a real-valued target half its squared
difference, one more coordinate. The gradient in a sample's mass is its dual potential f_i, calibrated to
`f_i - sum_(j != i) f_j / (n - 1)` because masses must keep their sum (equation 3).

As in the authors' code the potential is that of the debiased Sinkhorn divergence: exact potentials are not
unique, and of two identical sets any 1-Lipschitz function would be one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import ot
import torch
from torch import Tensor

from worker.lossval.config import Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.problem import ValuationProblem, check_problem
from worker.lossval.result import DataValues
from worker.lossval.transport import TransportSettings, ground_cost

_BLOCK_ENTRIES = 4_000_000
_CLASS_ROWS = 256  # rows that stand for a class in the distance between classes


@dataclass(frozen=True)
class Lava:
    """Value = negative calibrated gradient of the debiased transport cost, features and labels together.

    Attributes:
        label_weight: weight of the label cost; 1 as in the paper.
        settings: regularisation, accuracy and sizes of the transport; above `max_anchors` rows a uniform
            random subset stands for a side and the other potentials follow by the c-transform.

    With A = min(n, max_anchors), B = min(m, max_anchors): O((A B + A^2) iterations + n (A + B) d) time, plus
    an exact transport of at most 256 x 256 rows per pair of classes; O(A B + A^2 + n) memory.
    """

    label_weight: float = 1.0
    settings: TransportSettings = field(default_factory=TransportSettings)

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        check_problem(problem, validation=True)
        generator = torch.Generator().manual_seed(seed)
        progress(0.0, "distances between labels")
        train, validation = _labelled_sets(problem, self.label_weight, generator)
        potential = _debiased_potential(train, validation, self.settings, generator, progress)
        n = len(potential)
        gradient = (potential - potential.mean()) * (n / (n - 1))
        return DataValues(values=(-gradient).numpy(), spread=np.zeros(n))


@dataclass(frozen=True)
class _LabelledSet:
    """Points with labels: `label` (n, q) real-valued, or `code` (n,) into a table of label costs."""

    X: Tensor
    label: Tensor
    code: Tensor
    table: Tensor

    def __getitem__(self, index: Tensor | slice) -> _LabelledSet:
        return _LabelledSet(self.X[index], self.label[index], self.code[index], self.table)

    def __len__(self) -> int:
        return len(self.X)

    def cost(self, other: _LabelledSet) -> Tensor:
        """(n, m) hybrid ground cost."""
        labels = self.table[self.code][:, other.code]
        return ground_cost(self.X, other.X) + labels + ground_cost(self.label, other.label)


def _labelled_sets(
    problem: ValuationProblem, weight: float, generator: torch.Generator
) -> tuple[_LabelledSet, _LabelledSet]:
    """Training and validation rows; a class of the one is another label than the same class of the other."""
    assert problem.y_validation is not None
    sides = [(problem.X, problem.y), (problem.X_validation, problem.y_validation)]
    if problem.task == "regression":
        table = torch.zeros(1, 1, dtype=torch.float64)
        tensors = [(torch.from_numpy(X), torch.from_numpy(y)[:, None] * weight**0.5) for X, y in sides]
        first, second = (
            _LabelledSet(X, label, torch.zeros(len(X), dtype=torch.int64), table) for X, label in tensors
        )
        return first, second
    classes = [_by_class(X, y, problem.classes, generator) for X, y in sides]
    table = weight * _class_distances([*classes[0], *classes[1]])
    offsets = (0, problem.classes)
    first, second = (
        _LabelledSet(
            torch.from_numpy(X),
            torch.zeros(len(X), 1, dtype=torch.float64),
            torch.from_numpy(y).to(torch.int64) + offset,
            table,
        )
        for (X, y), offset in zip(sides, offsets, strict=True)
    )
    return first, second


def _by_class(X: Matrix, y: Matrix, classes: int, generator: torch.Generator) -> list[Tensor]:
    """At most `_CLASS_ROWS` random rows of each class."""
    result = []
    for label in range(classes):
        rows = torch.from_numpy(X[y == label])
        result.append(rows[torch.randperm(len(rows), generator=generator)[:_CLASS_ROWS]])
    return result


def _class_distances(groups: list[Tensor]) -> Tensor:
    """(g, g) exact transport cost between the features of two classes; a class without rows is never asked."""
    table = torch.zeros(len(groups), len(groups), dtype=torch.float64)
    for i, first in enumerate(groups):
        for j, second in enumerate(groups[:i]):
            if len(first) and len(second):
                cost = float(ot.emd2([], [], ground_cost(first, second).numpy()))
                table[i, j] = table[j, i] = cost
    return table


def _debiased_potential(
    train: _LabelledSet,
    validation: _LabelledSet,
    settings: TransportSettings,
    generator: torch.Generator,
    progress: Progress,
) -> Tensor:
    """(n,) gradient of the Sinkhorn divergence in the training masses, up to a constant."""
    A, B = (_anchors(side, settings.max_anchors, generator) for side in (train, validation))
    costs = A.cost(B)
    epsilon = settings.relative_epsilon * _scale(costs)
    if epsilon == 0.0:
        return torch.zeros(len(train), dtype=torch.float64)
    self_a, self_b = (_self_potential(side.cost(side), epsilon) for side in (A, B))
    progress(0.3, "transport between training and validation rows")
    a, b = (torch.full((len(side),), 1.0 / len(side), dtype=torch.float64) for side in (A, B))
    _, log = ot.bregman.sinkhorn_log(
        a,
        b,
        costs,
        epsilon,
        numItermax=settings.max_iterations,
        stopThr=settings.tolerance,
        warmstart=(self_a / epsilon + a.log(), self_b / epsilon + b.log()),
        log=True,
        warn=False,  # what is left of the marginal error is far below the differences between samples
    )
    progress(0.9, "calibrated gradient")
    g = epsilon * (log["log_v"] - b.log())
    return _c_transform(train, B, g, epsilon) - _c_transform(train, A, self_a, epsilon)


def _anchors(side: _LabelledSet, most: int, generator: torch.Generator) -> _LabelledSet:
    if len(side) <= most:
        return side
    return side[torch.randperm(len(side), generator=generator)[:most].sort().values]


def _scale(costs: Tensor) -> float:
    """Median positive cost; 0 if all points coincide up to rounding."""
    positive = costs[costs > 1e-12]
    return float(positive.median()) if positive.numel() else 0.0


def _self_potential(costs: Tensor, epsilon: float) -> Tensor:
    """(n,) symmetric potential of a set against itself, equal masses (Feydy et al. 2019, equation 27)."""
    kernel = (costs / -epsilon).exp()
    f = torch.zeros(len(costs), dtype=torch.float64)
    for _ in range(200):
        step = 0.5 * (-(kernel @ f.exp() / len(f)).log() - f)
        f = f + step
        if float(step.abs().max()) < 1e-9:
            break
    return epsilon * f


def _c_transform(points: _LabelledSet, anchors: _LabelledSet, g: Tensor, epsilon: float) -> Tensor:
    """(n,) -eps log mean_j exp((g_j - c_ij) / eps), in blocks of rows."""
    size = max(1, _BLOCK_ENTRIES // len(anchors))
    blocks = []
    for start in range(0, len(points), size):
        cost = points[slice(start, start + size)].cost(anchors)
        log_mean = torch.logsumexp((g - cost) / epsilon, dim=1) - np.log(len(anchors))
        blocks.append(-epsilon * log_mean)
    return torch.cat(blocks)
