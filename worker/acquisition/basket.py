"""A batch while it grows: what may still be bought, what counts as known, what was picked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Protocol, Self

import numpy as np

from worker.acquisition.errors import BudgetTooSmallError, NothingEligibleError
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


def affordable(problem: RankingProblem, picked: Sequence[int], *, share: float = 1.0) -> BoolArray:
    """(m,) whether a candidate fits beside the picked rows into `share` of each budget that applies."""
    limits, costs = problem.limits, problem.acquisition_cost
    fits = np.ones(problem.size, dtype=np.bool_)
    if limits.budget is not None:
        fits = _fits(costs, picked, share * limits.budget)
    for source, budget in limits.source_budgets.items():
        mine = problem.source == source
        fits &= ~mine | _fits(costs, [index for index in picked if mine[index]], share * budget)
    return fits


def _fits(costs: FloatArray, picked: Sequence[int], budget: float) -> BoolArray:
    # sums of cents are not exact in floating point: a batch that costs just the budget must fit
    fits: BoolArray = math.fsum(costs[index] for index in picked) + costs <= budget * (1.0 + 1e-12)
    return fits


class Basket:
    """One batch in the making.

    Args:
        problem: the round.
        posterior: what is known before the batch.
        start: makes the strategy's criterion; it may hold the posterior, which this basket updates.
        uniform: the gains are a random order that neither price nor relevance may bend.
    """

    def __init__(
        self, problem: RankingProblem, posterior: TargetPosterior, start: StartCriterion, *, uniform: bool
    ) -> None:
        self.problem = problem
        self.posterior = posterior
        self.start = start
        self.uniform = uniform
        self.criterion = start(problem, posterior)
        self.picks: list[Pick] = []
        self.worth = 0.0  # relevant gain that the strategy's own picks bring together
        self.eligible = ~np.isin(problem.design, problem.known_designs)
        self._factor = problem.relevance / price(problem) ** problem.limits.cost_exponent

    def fork(self) -> Self:
        """This still empty basket again, with a state of its own."""
        twin = copy.copy(self)
        twin.posterior = copy.copy(self.posterior)
        twin.criterion = self.start(self.problem, twin.posterior)
        twin.picks = []
        return twin

    def picked(self) -> list[int]:
        return [pick.index for pick in self.picks]

    def places(self) -> int:
        return self.problem.limits.batch_size - len(self.picks)

    def allowed(self) -> BoolArray:
        """(m,) may be picked next: not known, not a repetition, and the money is there."""
        return self.eligible & affordable(self.problem, self.picked())

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
                sd_before=math.sqrt(before),
                sd_after=math.sqrt(after),
            )
        )

    def check_not_hopeless(self) -> None:
        """Raise NothingEligibleError or BudgetTooSmallError if not even the first pick is possible."""
        if not self.eligible.any():
            raise NothingEligibleError(
                f"All {self.problem.size} candidates are pending or repeat a known design; "
                "add new designs or complete the pending ones."
            )
        if not self.allowed().any():
            cheapest = float(self.problem.acquisition_cost[self.eligible].min())
            raise BudgetTooSmallError(
                f"No eligible candidate fits into the budget; the cheapest costs {cheapest:,.2f}. "
                "Raise the budget (or its source's budget) or add cheaper candidates."
            )
