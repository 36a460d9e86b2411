"""Strategies that cover the pool: a candidate counts by its distance to the nearest known point.

Known are the labelled and the pending rows and what was picked. None of them knows the target domain or the
label precision.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worker.acquisition.basket import Criterion
from worker.acquisition.control import STRATEGY_STREAM
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import BoolArray, FloatArray, RankingProblem
from worker.acquisition.strategies.base import Strategy

_BLOCK_ROWS = 8192


class LargestClusterMaximumDistance(Strategy):
    """LCMD-TP: covers the pool in gradient-feature space, whatever the target domain is.

    Every candidate belongs to its nearest known point (labelled, pending or picked); take the cluster with
    the largest sum of squared distances; pick its farthest member (with prices: its best squared distance *
    relevance / price^alpha); repeat. Without any known point the first pick is the largest feature vector.
    Holzmueller et al., JMLR 24(164), 2023, section 4.3. Gains (m,): squared distance, higher is better.
    O(m (n + q) p + batch * m p).
    """

    name = "lcmd"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return _Clusters(problem.candidates, torch.cat([problem.labelled, problem.pending]))


class KMeansPlusPlus(Strategy):
    """Random picks with probability proportional to the squared distance to the nearest known point.

    The seeding of k-means++ (Arthur, Vassilvitskii, SODA 2007) on gradient features, the regression form of BADGE
    (Ash et al., ICLR 2020). Drawn as an exponential race: with E ~ Exp(1) of its own for each candidate and
    turn, the largest gain / E wins with probability proportional to the gain; relevance and price bend that
    probability by their factor. Gains (m,): distance^2 / E, higher wins. The round's seed rules the draws.
    O(m (n + q) p + batch * m p).
    """

    name = "kmeans_pp"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        known = torch.cat([problem.labelled, problem.pending])
        return _Race(problem.candidates, known, np.random.default_rng([problem.seed, STRATEGY_STREAM]))


class SpaceFilling(Strategy):
    """Farthest point first on the encoded designs themselves: a classical design of experiments.

    No surrogate enters (Kennard, Stone, "Computer aided design of experiments", Technometrics 11(1), 1969;
    maximin distance). Gains (m,): squared distance in squared standard deviations of the features, higher is
    better. O(m (n + q) d + batch * m d).
    """

    name = "space_filling"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return Distances(problem.inputs, problem.known_inputs)


class Distances:
    """Squared distance of every candidate to its nearest known point, and which point that is.

    Without any known point everything is one cluster around the origin.
    """

    def __init__(self, candidates: Tensor, known: Tensor) -> None:
        self._candidates = candidates
        self._square = _squares(candidates)
        if known.shape[0] == 0:
            self._distance, self._centre = self._square, torch.zeros_like(self._square, dtype=torch.int64)
        else:
            self._distance, self._centre = nearest_known(candidates, known)
        self._next_centre = max(known.shape[0], 1)

    def gains(self) -> FloatArray:
        return self._distance.double().cpu().numpy()

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        return allowed

    def add(self, index: int) -> None:
        cross = self._candidates @ self._candidates[index]
        distance = (self._square - 2.0 * cross + self._square[index]).clamp_min(0.0)
        nearer = distance < self._distance
        nearer[index] = True  # rounding must not leave the pick in another cluster
        distance[index] = 0.0
        self._distance = torch.where(nearer, distance, self._distance)
        self._centre = torch.where(nearer, self._next_centre, self._centre)
        self._next_centre += 1


class _Clusters(Distances):
    def shortlist(self, allowed: BoolArray) -> BoolArray:
        centre = self._centre.cpu().numpy()
        size = np.bincount(centre, weights=self.gains())
        open_clusters = np.unique(centre[allowed])
        largest = open_clusters[np.argmax(size[open_clusters])]
        members: BoolArray = allowed & (centre == largest)
        return members


class _Race(Distances):
    def __init__(self, candidates: Tensor, known: Tensor, generator: np.random.Generator) -> None:
        super().__init__(candidates, known)
        self._generator = generator
        self._handicap = generator.standard_exponential(candidates.shape[0])

    def gains(self) -> FloatArray:
        raced: FloatArray = super().gains() / self._handicap
        return raced

    def add(self, index: int) -> None:
        super().add(index)
        self._handicap = self._generator.standard_exponential(len(self._handicap))


def nearest_known(candidates: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """(m,) squared distance to the nearest of (k, p) known points, k >= 1, and which it is; in blocks."""
    distance = candidates.new_empty(candidates.shape[0])
    centre = torch.empty(candidates.shape[0], dtype=torch.int64, device=candidates.device)
    for start in range(0, candidates.shape[0], _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        distance[rows], centre[rows] = _nearest(candidates[rows], known)
    return distance, centre


def _squares(candidates: Tensor) -> Tensor:
    """(m,) squared lengths, without a second matrix of the pool's size."""
    squares = candidates.new_empty(candidates.shape[0])
    for start in range(0, candidates.shape[0], _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        squares[rows] = candidates[rows].square().sum(1)
    return squares


def _nearest(rows: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    square = rows.square().sum(1, keepdim=True) - 2.0 * (rows @ known.T) + known.square().sum(1)
    distance, centre = square.clamp_min(0.0).min(dim=1)
    return distance, centre
