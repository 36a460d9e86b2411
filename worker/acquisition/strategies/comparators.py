"""What the others are measured against: chance, and the paper's ranking by learned values."""

from __future__ import annotations

import numpy as np
import torch

from worker.acquisition.basket import Criterion
from worker.acquisition.control import STRATEGY_STREAM
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import RankingProblem
from worker.acquisition.strategies.base import FixedGains, Strategy


class RandomChoice(Strategy):
    """Uniform among the eligible, affordable candidates: the comparator. O(m)."""

    name = "random"
    uniform = True

    def start(self, problem: RankingProblem, posterior: TargetPosterior) -> Criterion:  # noqa: ARG002 - contract
        return FixedGains(np.random.default_rng([problem.seed, STRATEGY_STREAM]).random(problem.size))


class LossValValue(Strategy):
    """The paper's ranking: candidates that look like labelled samples of a high data value come first.

    The data weights of the labelled rows (`label_precision`) are predicted for the candidates by ridge
    regression on the gradient features, with the posterior's prior and noise:
    gain(c) = phi_c^T (sigma^2 I + Phi^T Phi)^-1 Phi^T (w - mean w) - the lowest such prediction in the pool.
    LossVal (arXiv 2412.04158, section 5) does not document its selection rule; this is the plainest one. Its own
    figures show no gain over random, so it is here to be compared with, and knows nothing of the target
    domain beyond the weights. With equal weights all gains are equal. Gains (m,) >= 0, a difference of weights (mean 1); higher is better.
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
