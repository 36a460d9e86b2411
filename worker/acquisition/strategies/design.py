"""Strategies on the Gaussian posterior of `information.py`: optimal experimental design.

They differ in the summary of the posterior covariance Sigma that a pick is to lower.
"""

from __future__ import annotations

import numpy as np
import torch

from worker.acquisition.basket import Criterion
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import BoolArray, FloatArray, RankingProblem
from worker.acquisition.strategies.base import FixedGains, Strategy

# More points describe the pool's second moment no better than the sketch is exact.
MOST_POOL_POINTS = 4000


class VarianceReduction(Strategy):
    """Expected reduction of the mean predictive variance on the target domain (`information.py`).

    Greedy with a rank-one update after each pick, so the batch is diverse by construction: a twin of a pick
    has little left to teach. V-optimal design (Cohn 1996), a relative of EPIG (arXiv 2304.08151).
    Label precision w lets a suspicious test stop covering its neighbourhood; all ones is the standard
    method to the bit. Gains (m,) in squared target units, higher is better.
    O(p^2 (n + m) + p^3 + batch * m p).
    """

    name = "variance_reduction"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return _TargetGain(posterior)


class Bait(Strategy):
    """BAIT: the same reduction on the pool and the labelled rows, whatever the target domain is.

    For a regressor with Gaussian noise the Fisher objective tr((sum of picks + known)^-1 F) of BAIT is the
    mean predictive variance over all rows (Ash, Goel, Krishnamurthy, Kakade, "Gone fishing: neural active
    learning with Fisher embeddings", NeurIPS 2021). Forward greedy (BAIT-F of Holzmueller et al., JMLR
    24(164), 2023, section 4.3); the backward pruning of the paper is left out, because budgets and places
    for sources have no meaning for a batch that shrinks. Gains (m,) in squared target units, higher is better.
    O(p^2 (n + m) + p^3 + batch * m p); at most 4,000 evenly spaced pool rows stand for the pool.
    """

    name = "bait"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        rows = np.unique(np.linspace(0, problem.size - 1, MOST_POOL_POINTS).astype(np.int64))
        everything = torch.cat([problem.candidates[torch.from_numpy(rows)], problem.labelled])
        return _OwnPosterior(problem.posterior(target=everything))


class MaxDeterminant(Strategy):
    """Largest joint entropy of the batch: the determinant of its predictive covariance grows most.

    gain(c) = log(1 + v_c / sigma^2) / 2 nats, with the posterior variance v_c given the picks so far (D-optimal
    design; BatchBALD for a Gaussian: Kirsch, van Amersfoort, Gal, NeurIPS 2019; MaxDet of Holzmueller et al.,
    JMLR 24(164), 2023, section 4.2). It seeks the rim of the pool and does not know the target domain.
    Gains (m,) higher is better. O(p^2 (n + m) + p^3 + batch * m p).
    """

    name = "max_determinant"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:
        return _EntropyGain(posterior, problem.noise_variance)


class TopVariance(Strategy):
    """The largest predictive variances before any pick: plain uncertainty sampling, a warning example.

    Neighbours of one uncertain design are all uncertain, so the batch repeats itself; worse than random in
    Holzmueller et al., JMLR 24(164), 2023 (table 2). Gains (m,): posterior variance in squared target units, higher is
    more uncertain. O(p^2 (n + m) + p^3).
    """

    name = "top_variance"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return FixedGains(posterior.variance())


class _TargetGain:
    """Reads the posterior that the loop updates."""

    def __init__(self, posterior: TargetPosterior) -> None:
        self._posterior = posterior

    def gains(self) -> FloatArray:
        return self._posterior.gains()

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        return allowed

    def add(self, index: int) -> None:
        """The loop has updated the posterior."""


class _OwnPosterior(_TargetGain):
    def add(self, index: int) -> None:
        self._posterior.add(index)


class _EntropyGain(_TargetGain):
    def __init__(self, posterior: TargetPosterior, noise_variance: float) -> None:
        super().__init__(posterior)
        self._noise_variance = noise_variance

    def gains(self) -> FloatArray:
        gains: FloatArray = 0.5 * np.log1p(self._posterior.variance() / self._noise_variance)
        return gains
