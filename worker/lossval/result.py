"""What a valuation pass returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worker.lossval.errors import LossValError

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingCurve:
    """Course of the valuation pass; one entry per epoch.

    Attributes:
        train_loss: weighted loss of the members on the rows they train on.
        held_out_loss: unweighted loss on the rows they do not train on.
        effective_samples: (sum w)^2 / sum w^2, n while all weights are equal.
    """

    train_loss: tuple[float, ...]
    held_out_loss: tuple[float, ...]
    effective_samples: tuple[float, ...]


@dataclass(frozen=True)
class LossValResult:
    """Data values of n training samples, in the order of the training rows.

    `values = -max(target_loss, transport)`: a sample is worth as much as its worse side allows, and that side
    says why. Both components are robust z-scores: 0 is the typical sample, 3 stands three standard deviations
    out.

    Attributes:
        values: (n,) data value, higher = more useful.
        spread: (n,) standard deviation of the value over the members that did not train on the sample.
        rank: (n,) 1 = most valuable; equal values in the order of the rows.
        weights: (n,) learned data weights, mean 1, never negative.
        target_loss: (n,) out-of-sample loss, higher = worse: a suspicious label.
        transport: (n,) isolation and distance from the target domain, higher = worse: suspicious features.
        transport_cost: OT_eps between the weighted training set and the target domain.
        transport_divergence: its debiased form; 0 = the same distribution.
        curve: course of the training.

    Raises:
        LossValError: arrays of different lengths, or any number that is not finite.
    """

    values: Vector
    spread: Vector
    weights: Vector
    target_loss: Vector
    transport: Vector
    transport_cost: float
    transport_divergence: float
    curve: TrainingCurve
    rank: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("values", "spread", "weights", "target_loss", "transport"):
            array = getattr(self, name)
            if array.shape != self.values.shape or not np.isfinite(array).all():
                raise LossValError(
                    f"the training diverged: {name} is not finite for every sample; "
                    "lower learning_rate or check the features for extreme values"
                )
        object.__setattr__(self, "rank", rank_values(self.values))


def rank_values(values: Vector) -> NDArray[np.int64]:
    """(n,) rank of each value, 1 = highest; equal values rank in index order. O(n log n)."""
    order = np.argsort(-values, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(1, len(values) + 1)
    return rank
