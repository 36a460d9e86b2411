"""A batch while it grows: what may still be bought, what counts as known, what was picked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Protocol, Self

import numpy as np

from worker.acquisition.feasibility import room
from worker.acquisition.information import TargetPosterior
from worker.acquisition.problem import Arm, BoolArray, FloatArray, Pick, RankingProblem


class Criterion(Protocol):
    """A strategy's opinion about every candidate, given what is known and picked so far."""

    def gains(self) -> FloatArray:
        """(m,) gain of each candidate, >= 0; higher is better."""
        ...

    def shortlist(self, allowed: BoolArray) -> BoolArray:
        """The part of the allowed candidates that may be picked now; not empty if `allowed` is not."""
        ...

    def add(self, index: int) -> None:
        """Candidate `index` is picked; the posterior knows it already."""
        ...


StartCriterion = Callable[[RankingProblem, TargetPosterior], Criterion]


def price(problem: RankingProblem) -> FloatArray:
    """(m,) the share of its pot that a candidate uses up; plain cost without budgets (`selection.py`)."""
    limits = problem.limits
    common = limits.budget
    if common is None:
        common = math.fsum(limits.source_budgets.values()) if limits.source_budgets else 1.0
    pot = np.full(problem.size, common)
    for source, budget in limits.source_budgets.items():
        pot[problem.source == source] = budget
    # an empty pot pays nothing; its price only has to be finite
    shares: FloatArray = problem.acquisition_cost / np.where(pot > 0, pot, 1.0)
    return shares


class Basket:
    """One batch in the making.

    Args:
        problem: the round.
        posterior: what is known before the batch.
        start: makes the strategy's criterion; it may hold the posterior, which this basket updates.
        eligible: (m,) candidates that break none of the standing rules (`feasibility.py`).
        uniform: the gains are a random order that neither price nor relevance may bend.
    """

    def __init__(
        self,
        problem: RankingProblem,
        posterior: TargetPosterior,
        start: StartCriterion,
        eligible: BoolArray,
        *,
        uniform: bool,
    ) -> None:
        self.problem = problem
        self.posterior = posterior
        self.start = start
        self.uniform = uniform
        self.criterion = start(problem, posterior)
        self.picks: list[Pick] = []
        self.served: list[FloatArray] = []  # by each pick: the fall of the variance at each target point
        self.worth = 0.0  # relevant gain that the strategy's own picks bring together
        self.eligible = eligible
        self._price = price(problem)
        self._factor = problem.relevance / self._price**problem.limits.cost_exponent

    def fork(self) -> Self:
        """This still empty basket again, with a state of its own."""
        twin = copy.copy(self)
        twin.posterior = copy.copy(self.posterior)
        twin.criterion = self.start(self.problem, twin.posterior)
        twin.picks, twin.served = [], []
        return twin

    def picked(self) -> list[int]:
        return [pick.index for pick in self.picks]

    def places(self) -> int:
        return self.problem.limits.batch_size - len(self.picks)

    def allowed(self) -> BoolArray:
        """(m,) may be picked next by every rule of `feasibility.py`."""
        return self.eligible & room(self.problem, self.picked())

    def relevant_gains(self) -> FloatArray:
        """(m,) gain * relevance, whatever it costs."""
        return self.criterion.gains() * self.problem.relevance

    def scores(self) -> FloatArray:
        """(m,) gain * relevance / price^alpha; higher is better."""
        gains = self.criterion.gains()
        return gains if self.uniform else gains * self._factor

    def take(self, index: int, arm: Arm, *, score: float, probability: float) -> None:
        if arm is Arm.CHOSEN:
            self.worth += float(self.relevant_gains()[index])
        before = self.posterior.mean_variance
        self.served.append(self._fall_at_target_points(index))
        self.posterior.add(index)
        self.criterion.add(index)
        after = self.posterior.mean_variance
        self.eligible = self.eligible & (self.problem.design != self.problem.design[index])
        self.picks.append(
            Pick(
                index=index,
                arm=arm,
                information=before - after,
                relevance=float(self.problem.relevance[index]),
                score=score,
                selection_probability=probability,
                acquisition_cost=float(self.problem.acquisition_cost[index]),
                price_share=float(self._price[index]) if self.problem.limits.limited else None,
                sd_before=math.sqrt(before),
                sd_after=math.sqrt(after),
            )
        )

    def _fall_at_target_points(self, index: int) -> FloatArray:
        """(t,) what candidate `index` takes from the variance at each point: (phi_t . g)^2 / h."""
        g, h = self.posterior.direction(index)
        along = (self.problem.target @ g.to(self.problem.target)).double()
        falls: FloatArray = (along.square() / h).cpu().numpy()
        return falls
