"""What the others are measured against: chance, chance near the target, and the paper's learned values."""

from __future__ import annotations

import numpy as np
import torch

from worker.acquisition.basket import Criterion
from worker.acquisition.control import STRATEGY_STREAM
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import BoolArray, FloatArray, RankingProblem
from worker.acquisition.strategies.base import FixedGains, Strategy
from worker.acquisition.strategies.coverage import nearest_known

NEAR_SHARE = 0.25


class RandomChoice(Strategy):
    """Uniform among the eligible, affordable candidates: the comparator. O(m)."""

    name = "random"
    uniform = True

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return FixedGains(np.random.default_rng([problem.seed, STRATEGY_STREAM]).random(problem.size))


class NearTarget(Strategy):
    """Uniform among the quarter of the pool that lies nearest to the target domain: the simple baseline.

    What a team does without a tool: test what tomorrow's cars look like. Nearest by the gradient features'
    distance to the nearest target point; when that quarter is used up, among the rest. Neither price nor
    relevance bends the draw. O(m t p).
    """

    name = "near_target"
    uniform = True

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        distance = nearest_known(problem.candidates, problem.target)[0].double().cpu().numpy()
        priority = np.random.default_rng([problem.seed, STRATEGY_STREAM]).random(problem.size)
        return _RandomNearby(priority, distance <= np.quantile(distance, NEAR_SHARE))


class _RandomNearby(FixedGains):
    def __init__(self, gains: FloatArray, near: BoolArray) -> None:
        super().__init__(gains)
        self._near = near

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        nearby: BoolArray = allowed & self._near
        return nearby if nearby.any() else allowed


class LossValValue(Strategy):
    """The paper's ranking: candidates that look like labelled samples of a high data value come first.

    The data weights of the labelled rows (`label_precision`) are predicted for the candidates by ridge
    regression on the gradient features, with the posterior's prior and noise:
    gain(c) = phi_c^T (sigma^2 I + Phi^T Phi)^-1 Phi^T (w - mean w) - the lowest such prediction in the pool.
    LossVal (arXiv 2412.04158, section 5) does not document its selection rule; this is the plainest one.
    Its own figures show no gain over random, so it is here to be compared with. It knows nothing of the target
    domain beyond the weights; with equal weights all gains are equal. Gains (m,) >= 0, a difference of weights
    (mean 1); higher is better.
    O(n^2 p + n^3 + m p).
    """

    name = "lossval_value"

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        if len(problem.labelled) == 0:
            return FixedGains(np.zeros(problem.size))
        weights = torch.from_numpy(problem.label_precision).to(problem.labelled.device, torch.float64)
        labelled = problem.labelled.double()
        gram = labelled @ labelled.T
        gram.diagonal().add_(problem.noise_variance)
        slope = labelled.T @ torch.linalg.solve(gram, weights - weights.mean())
        predicted = (problem.candidates @ slope.to(problem.candidates)).double().cpu().numpy()
        return FixedGains(predicted - predicted.min())
