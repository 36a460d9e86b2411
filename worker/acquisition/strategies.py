"""Acquisition strategies: small classes under one contract, found by name.

A strategy scores candidates given what is known (`start` makes its criterion); the loop of `selection.py`
buys the batch and is the same for all, so budgets, duplicates, pending designs and the control arm hold for
every strategy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from worker.acquisition.basket import Criterion
from worker.acquisition.control import STRATEGY_STREAM
from worker.acquisition.errors import UnknownStrategyError
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import BoolArray, FloatArray, RankingProblem, Selection
from worker.acquisition.selection import select_batch


class Strategy(ABC):
    """What all strategies have in common; a subclass's constructor takes its parameters.

    Attributes:
        name: the registered name.
        uniform: True if the picks are uniform random draws, which price and relevance may not bend.
    """

    name: ClassVar[str]
    uniform: ClassVar[bool] = False

    @abstractmethod
    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:
        """The criterion for an empty batch. Deterministic; changes neither argument."""

    def select(self, problem: RankingProblem) -> Selection:
        """Choose a batch; raises what `select_batch` raises."""
        return select_batch(problem, self.start, uniform=self.uniform)


class RandomChoice(Strategy):
    """Uniform among the eligible, affordable candidates: the comparator. O(m)."""

    name = "random"
    uniform = True

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        priority = np.random.default_rng([problem.seed, STRATEGY_STREAM]).random(problem.size)
        return _RandomPriority(priority)


class VarianceReduction(Strategy):
    """Expected reduction of the mean predictive variance on the target domain (`information.py`).

    Greedy with a rank-one update after each pick, so the batch is diverse by construction: a twin of a pick
    has little left to teach. V-optimal design (Cohn 1996), a relative of EPIG (arXiv 2304.08151).
    Label precision w lets a suspicious test stop covering its neighbourhood; all ones is the standard
    method to the bit. O(p^2 (n + m) + p^3 + batch * m p).
    """

    name = "variance_reduction"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return _PosteriorGain(posterior)


class LargestClusterMaximumDistance(Strategy):
    """LCMD-TP: covers the pool in feature space, whatever the target domain is.

    Every candidate belongs to its nearest known point (labelled, pending or picked); take the cluster with
    the largest sum of squared distances; pick its farthest member (with prices: its best squared distance *
    relevance / price^alpha); repeat. Without any known point the first pick is the largest feature vector.
    Label precision plays no part. Holzmueller et al., JMLR 24(164), 2023, section 4.3.
    O(m (n + q) p + batch * m p).
    """

    name = "lcmd"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return _Clusters(problem.candidates, torch.cat([problem.labelled, problem.pending]))


class _RandomPriority:
    def __init__(self, priority: FloatArray) -> None:
        self._priority = priority

    def gains(self) -> FloatArray:
        return self._priority

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        return allowed

    def add(self, index: int) -> None:
        """A pick does not change the order of the others."""


class _PosteriorGain:
    def __init__(self, posterior: TargetPosterior) -> None:
        self._posterior = posterior

    def gains(self) -> FloatArray:
        return self._posterior.gains()

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        return allowed

    def add(self, index: int) -> None:
        """The loop has updated the posterior."""


class _Clusters:
    """Squared distance of every candidate to its nearest known point, and which point that is."""

    def __init__(self, candidates: Tensor, known: Tensor, *, block_rows: int = 8192) -> None:
        self._candidates = candidates
        self._square = candidates.square().sum(1)
        if known.shape[0] == 0:
            # everything is one cluster around the origin
            self._distance, self._centre = self._square, torch.zeros_like(self._square, dtype=torch.int64)
        else:
            starts = range(0, candidates.shape[0], block_rows)
            blocks = [_nearest(candidates[start : start + block_rows], known) for start in starts]
            self._distance = torch.cat([distance for distance, _ in blocks])
            self._centre = torch.cat([centre for _, centre in blocks])
        self._next_centre = max(known.shape[0], 1)

    def gains(self) -> FloatArray:
        return self._distance.double().cpu().numpy()

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        centre = self._centre.cpu().numpy()
        size = np.bincount(centre, weights=self.gains())
        open_clusters = np.unique(centre[allowed])
        largest = open_clusters[np.argmax(size[open_clusters])]
        members: BoolArray = allowed & (centre == largest)
        return members

    def add(self, index: int) -> None:
        cross = self._candidates @ self._candidates[index]
        distance = (self._square - 2.0 * cross + self._square[index]).clamp_min(0.0)
        nearer = distance < self._distance
        nearer[index] = True  # rounding must not leave the pick in another cluster
        distance[index] = 0.0
        self._distance = torch.where(nearer, distance, self._distance)
        self._centre = torch.where(nearer, self._next_centre, self._centre)
        self._next_centre += 1


def _nearest(rows: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    square = rows.square().sum(1, keepdim=True) - 2.0 * (rows @ known.T) + known.square().sum(1)
    distance, centre = square.clamp_min(0.0).min(dim=1)
    return distance, centre


STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy for strategy in (RandomChoice, VarianceReduction, LargestClusterMaximumDistance)
}


def strategy_named(name: str) -> Strategy:
    """The strategy registered as `name`, with its default parameters.

    Raises:
        UnknownStrategyError: no such name; the message lists the known ones.
    """
    try:
        return STRATEGIES[name]()
    except KeyError:
        raise UnknownStrategyError(
            f"Unknown strategy {name!r}; choose one of: {', '.join(sorted(STRATEGIES))}."
        ) from None
