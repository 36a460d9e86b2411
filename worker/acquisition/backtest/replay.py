"""One repeat: every contestant starts from the same rows and networks and buys its own batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from worker.acquisition.backtest.learner import Learner, TrainingSet, train_ensembles
from worker.acquisition.backtest.problem import AS_BOUGHT, BacktestConfig, BacktestData
from worker.acquisition.backtest.splits import Split
from worker.acquisition.errors import BudgetTooSmallError, NothingEligibleError
from worker.acquisition.evidence import RANDOM
from worker.acquisition.problem import FloatArray, IntArray
from worker.acquisition.ranking import RankingConfig, rank_pool
from worker.lossval.config import LossValConfig
from worker.lossval.training import train_lossval

# Streams of a repeat's seed.
_NETWORKS, _PICKS, _VALUES = 1, 2, 3


@dataclass(frozen=True)
class Standing:
    """A contestant after a batch; the fields are those of `CurvePoint`.

    Attributes:
        labels: rows known.
        acquisition_cost: money spent since the start.
        rmse: on the holdout, target units, as the next two.
        q95_error: 95 % quantile of the absolute error.
        max_error: largest absolute error.
        mean_rmse: RMSE of whoever says the mean of the known labels everywhere.
    """

    labels: int
    acquisition_cost: float
    rmse: float
    q95_error: float
    max_error: float
    mean_rmse: float


@dataclass
class Contestant:
    """One who buys.

    Attributes:
        name: strategy, `random` or `as_bought`.
        draw: 0, 1, ... among the random contestants of a repeat.
        known: rows bought so far, the initial set first.
        course: standings; entry r is after r batches.
        squared_errors: likewise (2, h) on the h held-out rows: of the surrogate, and of the mean of the known labels.
    """

    name: str
    draw: int
    known: IntArray
    spent: float = 0.0
    course: list[Standing] = field(default_factory=list)
    squared_errors: list[FloatArray] = field(default_factory=list)


def play_repeat(
    data: BacktestData,
    config: BacktestConfig,
    split: Split,
    repeat: int,
    report: Callable[[float], None],
) -> list[Contestant]:
    """Play one repeat.

    Args:
        data: labelled rows.
        config: settings.
        split: of this repeat.
        repeat: its number, part of every seed.
        report: called with the finished share of this repeat.

    Returns:
        The contestants with 1 + rounds standings each: random ones first, then the strategies, then `as_bought`.

    Cost: rounds * contestants * (a training, see `learner.py`, a ranking, and for strategies with
    `label_precision` "lossval" a valuation pass: 0.4 s).
    """
    game = _Repeat(data, config, split, repeat)
    contestants = [Contestant(name, draw, split.initial) for name, draw in _line_up(data, config)]
    # All know the same rows at first: one training serves them all.
    learners = game.train(contestants[:1], 0) * len(contestants)
    for round_ in range(1, config.rounds + 1):
        game.measure(contestants, learners)
        for place, (contestant, learner) in enumerate(zip(contestants, learners, strict=True)):
            game.buy(contestant, learner, round_)
            report((round_ - 1 + (place + 1) / (len(contestants) + 1)) / config.rounds)
        learners = game.train(contestants, round_)
        report(round_ / config.rounds)
    game.measure(contestants, learners)
    return contestants


def _line_up(data: BacktestData, config: BacktestConfig) -> list[tuple[str, int]]:
    random = [(RANDOM, draw) for draw in range(config.random_draws)]
    others = [(name, 0) for name in config.compared]
    return [*random, *others, *([(AS_BOUGHT, 0)] if data.bought_order is not None else [])]


class _Repeat:
    """What all contestants of a repeat share."""

    def __init__(self, data: BacktestData, config: BacktestConfig, split: Split, repeat: int) -> None:
        self.data, self.config, self.split, self.repeat = data, config, split, repeat

    def _seed(self, *stream: int) -> int:
        sequence = np.random.SeedSequence([self.config.seed, self.repeat, *stream])
        return int(sequence.generate_state(1)[0])

    def train(self, contestants: Sequence[Contestant], round_: int) -> list[Learner]:
        return train_ensembles(
            [TrainingSet(self.data.X[one.known], self.data.y[one.known]) for one in contestants],
            members=self.config.members,
            hidden=self.config.hidden,
            steps=self.config.steps,
            seed=self._seed(_NETWORKS, round_),
        )

    def measure(self, contestants: Sequence[Contestant], learners: Sequence[Learner]) -> None:
        X, y = self.data.X[self.split.holdout], self.data.y[self.split.holdout]
        floor = 1e-9 * float(np.ptp(self.data.y))  # its logarithm is taken
        for one, learner in zip(contestants, learners, strict=True):
            errors = np.abs([learner.predict(X)[0] - y, self.data.y[one.known].mean() - y])
            rmse, mean_rmse = np.maximum(floor, np.sqrt(np.square(errors).mean(axis=1))).tolist()
            one.squared_errors.append(np.square(np.maximum(floor, errors)))
            one.course.append(
                Standing(
                    labels=len(one.known),
                    acquisition_cost=one.spent,
                    rmse=rmse,
                    q95_error=float(np.quantile(errors[0], 0.95)),
                    max_error=float(errors[0].max()),
                    mean_rmse=mean_rmse,
                )
            )

    def buy(self, one: Contestant, learner: Learner, round_: int) -> None:
        """The next batch; who can pay nothing more, or finds new designs no more, stands still."""
        pool = np.setdiff1d(self.split.pool, one.known)
        if one.name == AS_BOUGHT:
            batch = self._next_bought(pool)
        else:
            try:
                batch = pool[self._ranked(one, learner, pool, round_)]
            except (BudgetTooSmallError, NothingEligibleError):
                return
        one.known = np.concatenate([one.known, batch])
        one.spent += math.fsum(self.data.acquisition_cost[batch])

    def _next_bought(self, pool: IntArray) -> IntArray:
        """The rows that were bought next in reality, as far as the budget goes."""
        assert self.data.bought_order is not None
        batch = pool[np.argsort(self.data.bought_order[pool], kind="stable")][: self.config.batch_size]
        if self.config.budget is None:
            return batch
        spent = np.cumsum(self.data.acquisition_cost[batch])
        return batch[spent <= self.config.budget]

    def _ranked(self, one: Contestant, learner: Learner, pool: IntArray, round_: int) -> list[int]:
        """Positions in `pool` of the batch that the product would propose."""
        predicted, predicted_std = learner.predict(self.data.X[pool])
        ranking = rank_pool(
            learner.network,
            X_labelled=self.data.X[one.known],
            label_precision=self._precision(one, learner, round_),
            X_pool=self.data.X[pool],
            X_pending=np.empty((0, self.data.X.shape[1])),
            X_target=self.split.target,
            acquisition_cost=self.data.acquisition_cost[pool],
            source=self.data.source[pool],
            relevance=None,
            predicted=predicted,
            predicted_std=predicted_std,
            config=self._ranking_config(one.name, learner),
            seed=self._seed(_PICKS, round_, one.draw),
            device=torch.device("cpu"),
        )
        return [recommendation.pick.index for recommendation in ranking.recommendations]

    def _ranking_config(self, strategy: str, learner: Learner) -> RankingConfig:
        return RankingConfig(
            strategy=strategy,
            batch_size=self.config.batch_size,
            budget=self.config.budget,
            cost_exponent=self.config.cost_exponent,
            control_fraction=0.0,
            sketch_dimension=self.config.sketch_dimension,
            target_scale=learner.target.sd,
        )

    def _precision(self, one: Contestant, learner: Learner, round_: int) -> FloatArray:
        """(n,) data weights of the known rows."""
        if one.name == RANDOM or self.config.label_precision == "equal":
            return np.ones(len(one.known))
        y = learner.target.scale(self.data.y[one.known])
        if np.ptp(y) == 0.0:
            return np.ones(len(one.known))
        valued = train_lossval(
            self.data.X[one.known],
            y,
            self.split.target,
            config=LossValConfig(members=self.config.members, hidden=self.config.hidden),
            seed=self._seed(_VALUES, round_),
        )
        return valued.result.weights
