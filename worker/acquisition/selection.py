"""From a strategy's gains to a batch: greedy under budgets, no design twice, with a control arm.

**Score.** score = gain * relevance / price^alpha. The price is the share of the pot that the candidate
would use up: its source's budget where there is one, else the total budget (or, where only other sources
have pots, their sum); with no budget at all it is the plain acquisition cost. Why not plain money: a
full-vehicle test costs about 300,000 USD and a simulation 500 to 5,000 USD, so with plain gain per money
(alpha = 1, one budget) a simulation wins unless a test teaches 60 to 600 times as much, and no test is ever
bought. Money that is set aside for tests cannot buy simulations, so prices of different pots must not be
compared as amounts: per-source budgets are the way to buy both. The default alpha = 0.5 lets the price order
candidates of similar gain without deciding alone (against one common budget, a test then has to teach 8 to
25 times as much as a simulation).

**Sources.** A source budget is the will to use that source: each source with a pot gets at least one place
in the batch while it has an affordable candidate and the batch has room; `source_minimums` ask for more.

**Guard.** Greedy under a budget may fill up on cheap candidates until one that teaches more than all of
them no longer fits (Leskovec et al., "Cost-effective outbreak detection in networks", KDD 2007). So the
affordable candidate of the largest relevant gain leads the batch if it alone is worth more than a whole batch
of its rivals: the candidates of the other sources, or, where there is one source, all others. The rivals are
picked by their gain as if they cost nothing, so that no price is in either side of the comparison: then a
higher price never raises the rank that the strategy gives to a candidate. (Comparing with what the budget buys
without the leader, as Leskovec et al. do, breaks that: a dearer rival may leave a batch so poor that the guard
turns, and the rival moves up beside the new leader. Mechanisms that must not reward a higher price have to mind
the same comparison: Chen, Gravin, Lu, "On the approximability of budget feasible mechanisms", SODA 2011.)

The rules of a batch and the order of the arms are in `feasibility.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from worker.acquisition.basket import Basket, StartCriterion
from worker.acquisition.control import draw_control
from worker.acquisition.errors import InjectionError
from worker.acquisition.feasibility import (
    affordable,
    check_not_hopeless,
    eligible,
    keep_places,
    obstacle,
    room,
)
from worker.acquisition.problem import Arm, BoolArray, RankingProblem, Selection

ControlDraws = Sequence[tuple[int, float]]


def select_batch(problem: RankingProblem, start: StartCriterion, *, uniform: bool = False) -> Selection:
    """Choose a batch.

    Args:
        problem: the round.
        start: makes the strategy's criterion for an empty batch; it must not change its arguments.
        uniform: the gains are a random order: price, relevance, places for pots and guard stay out.

    Raises:
        NothingEligibleError: no candidate may be picked, whatever the budget is.
        BudgetTooSmallError: none of the eligible candidates can be paid.
        InjectionError: an injected row has no place in the batch.

    Cost: batch_size * O(m p + t p) at most three times, plus the posterior (`information.py`); nothing is m x m.
    """
    candidates = eligible(problem)
    check_not_hopeless(problem, candidates)
    empty = Basket(problem, problem.posterior(), start, candidates, uniform=uniform)
    control = draw_control(problem, candidates)
    basket, led = _fill(_opening(empty, control)), False
    if problem.limits.limited and not uniform:
        basket, led = _guard(empty, control, basket)
    return _selection(empty, basket, led_by_single=led)


def _opening(empty: Basket, control: ControlDraws) -> Basket:
    """A batch as the strategy finds it: what a person injects, and the control arm."""
    basket = empty.fork()
    for row in empty.problem.injected.tolist():
        _inject(basket, row)
    for row, probability in control:
        basket.take(row, Arm.CONTROL, score=0.0, probability=probability)
    return basket


def _inject(basket: Basket, row: int) -> None:
    if basket.places() == 0:
        wanted, places = len(basket.problem.injected), basket.problem.limits.batch_size
        raise InjectionError(
            f"{wanted} designs are injected into a batch of {places}; inject fewer or raise batch_size."
        )
    reason = obstacle(basket.problem, row, basket.picked())
    if reason is not None:
        raise InjectionError(f"Row {row} of the pool cannot be injected: {reason}.")
    basket.take(row, Arm.INJECTED, score=0.0, probability=1.0)


def _fill(basket: Basket) -> Basket:
    """Greedy: the best score that has a place, until nothing has one."""
    while basket.places() > 0:
        allowed = basket.allowed()
        if not allowed.any():
            break
        _take_best(basket, allowed)
    return basket


def _take_best(basket: Basket, allowed: BoolArray) -> None:
    shortlist = basket.criterion.shortlist(_keep_places_for_sources(basket, allowed))
    scores = basket.scores()
    best = int(np.argmax(np.where(shortlist, scores, -np.inf)))
    probability = 1.0 / int(shortlist.sum()) if basket.uniform else 1.0
    basket.take(best, Arm.CHOSEN, score=float(scores[best]), probability=probability)


def _keep_places_for_sources(basket: Basket, allowed: BoolArray) -> BoolArray:
    """The minimums hold for every strategy; one place for each pot is a matter of price."""
    limits = basket.problem.limits
    least = dict(limits.source_minimums)
    if not basket.uniform:
        least |= {source: max(1, least.get(source, 0)) for source in limits.source_budgets}
    return keep_places(basket.problem, basket.picked(), allowed, least)


def _guard(empty: Basket, control: ControlDraws, greedy: Basket) -> tuple[Basket, bool]:
    """Greedy, or greedy behind the candidate that outweighs a batch of its rivals; True for the latter."""
    opening = _opening(empty, control)
    if opening.places() == 0 or not opening.allowed().any():
        return greedy, False
    open_rows = _keep_places_for_sources(opening, opening.allowed())
    gains = np.where(open_rows, opening.relevant_gains(), -np.inf)
    leader = int(np.argmax(gains))
    first = next(pick.index for pick in greedy.picks if pick.arm is Arm.CHOSEN)
    if first == leader or gains[leader] <= _worth_of_rivals(opening, leader, float(gains[leader])):
        return greedy, False
    led = _opening(empty, control)
    led.take(leader, Arm.CHOSEN, score=float(led.scores()[leader]), probability=1.0)
    return _fill(led), True


def _worth_of_rivals(opening: Basket, leader: int, enough: float) -> float:
    """Relevant gain of a batch of the leader's rivals at no price; stops above `enough`. Uses the basket up."""
    problem, paid = opening.problem, opening.picked()
    single = affordable(problem, paid)  # each by itself: what they cost together must not decide
    rivals = single & opening.eligible & (problem.source != problem.source[leader])
    if not rivals.any():
        rivals = single & (np.arange(problem.size) != leader)
    while opening.places() > 0 and opening.worth <= enough:
        allowed = rivals & opening.eligible & room(problem, opening.picked(), money=False)
        if not allowed.any():
            break
        best = int(np.argmax(np.where(allowed, opening.relevant_gains(), -np.inf)))
        opening.take(best, Arm.CHOSEN, score=0.0, probability=1.0)
    return opening.worth


def _selection(empty: Basket, basket: Basket, *, led_by_single: bool) -> Selection:
    # stable: injected ones first, as they were taken, then the chosen ones
    order = sorted(range(len(basket.picks)), key=lambda place: basket.picks[place].arm is Arm.CONTROL)
    picks = [basket.picks[place] for place in order]
    source = empty.problem.source
    return Selection(
        picks=tuple(picks),
        served=np.stack([basket.served[place] for place in order]),
        scores=empty.scores(),
        information=empty.posterior.gains(),
        eligible=empty.eligible,
        affordable=affordable(empty.problem, []),
        sd_before=math.sqrt(empty.posterior.mean_variance),
        sd_after=math.sqrt(basket.posterior.mean_variance),
        spent=math.fsum(pick.acquisition_cost for pick in picks),
        spent_by_source={
            int(one): math.fsum(pick.acquisition_cost for pick in picks if source[pick.index] == one)
            for one in np.unique(source[[pick.index for pick in picks]])
        },
        led_by_single=led_by_single,
    )
