"""What a valuation returns, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from worker.lossval.errors import LossValError

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DataValues:
    """Data values of n training samples, in the order of the training rows.

    Attributes:
        values: (n,) data value, higher = more useful. The scale is the method's own; ranks compare.
        spread: (n,) standard deviation of the value over ensemble members or repetitions; zeros for a method
            without any.
        value_target_loss: (n,) the part that the labels decide, higher = more useful, or None if the method
            does not separate it.
        value_transport: (n,) the part that the features decide, likewise.
        rank_stability: Spearman correlation of the values of two disjoint half ensembles, or None.
        rank: (n,) 1 = most valuable; equal values in the order of the rows.

    Raises:
        LossValError: arrays of different lengths, or any number that is not finite.
    """

    values: Vector
    spread: Vector
    value_target_loss: Vector | None = None
    value_transport: Vector | None = None
    rank_stability: float | None = None
    rank: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        for name, array in self._arrays().items():
            if array.shape != self.values.shape or not np.isfinite(array).all():
                raise LossValError(
                    f"the training diverged: {name} is not finite for every sample; "
                    "lower learning_rate or check the features for extreme values"
                )
        object.__setattr__(self, "rank", rank_values(self.values))

    def _arrays(self) -> dict[str, Vector]:
        """The arrays that hold one number per sample."""
        return {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray) and name != "rank"
        }


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


@dataclass(frozen=True, kw_only=True)
class LossValResult(DataValues):
    """Data values that LossVal found in one training run.

    Attributes:
        weights: (n,) learned data weights. Mode `normalized`: mean 1, never negative.
        transport_cost: OT_eps between the weighted training set and the target domain.
        transport_divergence: its debiased form; 0 = the same distribution.
        curve: course of the training.
    """

    value_target_loss: Vector
    value_transport: Vector
    weights: Vector
    transport_cost: float
    transport_divergence: float
    curve: TrainingCurve


def rank_values(values: Vector) -> NDArray[np.int64]:
    """(n,) rank of each value, 1 = highest; equal values rank in index order. O(n log n)."""
    order = np.argsort(-values, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(1, len(values) + 1)
    return rank


def spearman(a: Vector, b: Vector) -> float:
    """Spearman's rank correlation of two (n,) arrays, in [-1, 1]; 0 if either is constant. O(n log n)."""
    ranks = rankdata(a) - (len(a) + 1) / 2, rankdata(b) - (len(b) + 1) / 2
    norm = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / norm if norm > 0 else 0.0
