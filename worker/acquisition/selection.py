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
in the batch while it has an affordable candidate and the batch has room.

**Guard.** Greedy under a budget may fill up on cheap candidates until one that teaches more than all of
them no longer fits (Leskovec et al., "Cost-effective outbreak detection in networks", KDD 2007). So if the
affordable candidate of the largest relevant gain is worth more than the whole batch that greedy buys without
it, it leads the batch and greedy goes on with what is left. The leader's own price is in neither side of that
comparison, so a higher price never moves it up. For any other candidate, a higher price never raises its
rank as long as it does not change the guard's decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from worker.acquisition.basket import Basket, StartCriterion, affordable
from worker.acquisition.control import draw_control
from worker.acquisition.problem import Arm, BoolArray, RankingProblem, Selection

ControlDraws = Sequence[tuple[int, float]]


def select_batch(problem: RankingProblem, start: StartCriterion, *, uniform: bool = False) -> Selection:
    """Choose a batch.

    Args:
        problem: the round.
        start: makes the strategy's criterion for an empty batch; it must not change its arguments.
        uniform: the gains are a random order: price, relevance, places for sources and guard stay out.

    Raises:
        NothingEligibleError: all candidates are pending or known.
        BudgetTooSmallError: none of the eligible candidates can be paid.

    Cost: batch_size * O(m p) at most three times, plus the posterior (`information.py`); nothing is m x m.
    """
    empty = Basket(problem, problem.posterior(), start, uniform=uniform)
    empty.check_not_hopeless()
    control = draw_control(problem, empty.eligible)
    basket, led = _fill(empty, control), False
    if problem.limits.limited and not uniform:
        basket, led = _guard(empty, control, basket)
    return _selection(empty, basket, led_by_single=led)


def _with_control(empty: Basket, control: ControlDraws) -> Basket:
    basket = empty.fork()
    for row, probability in control:
        basket.take(row, Arm.CONTROL, score=0.0, probability=probability)
    return basket


def _fill(
    empty: Basket, control: ControlDraws, *, leader: int | None = None, without: int | None = None
) -> Basket:
    """Greedy: the control arm, the leader if there is one, then the best score that can be paid."""
    basket = _with_control(empty, control)
    if leader is not None:
        basket.take(leader, Arm.CHOSEN, score=float(basket.scores()[leader]), probability=1.0)
    while basket.places() > 0:
        allowed = basket.allowed()
        if without is not None:
            allowed[without] = False
        if not allowed.any():
            break
        _take_best(basket, allowed)
    return basket


def _take_best(basket: Basket, allowed: BoolArray) -> None:
    if not basket.uniform:
        allowed = _keep_places_for_sources(basket, allowed)
    shortlist = basket.criterion.shortlist(allowed)
    scores = basket.scores()
    best = int(np.argmax(np.where(shortlist, scores, -np.inf)))
    probability = 1.0 / int(shortlist.sum()) if basket.uniform else 1.0
    basket.take(best, Arm.CHOSEN, score=float(scores[best]), probability=probability)


def _keep_places_for_sources(basket: Basket, allowed: BoolArray) -> BoolArray:
    """Only sources with a pot that have no pick yet, once the places left are just enough for them."""
    problem = basket.problem
    served = {int(source) for source in problem.source[basket.picked()]}
    buyable = {int(source) for source in np.unique(problem.source[allowed])}
    waiting = (set(problem.limits.source_budgets) & buyable) - served
    if not waiting or basket.places() > len(waiting):
        return allowed
    return allowed & np.isin(problem.source, sorted(waiting))


def _guard(empty: Basket, control: ControlDraws, greedy: Basket) -> tuple[Basket, bool]:
    """The better of greedy and of greedy behind the candidate of the largest gain; True for the latter."""
    chosen = [pick.index for pick in greedy.picks if pick.arm is Arm.CHOSEN]
    if not chosen:
        return greedy, False
    before = _with_control(empty, control)
    gains = np.where(before.allowed(), before.relevant_gains(), -np.inf)
    leader = int(np.argmax(gains))
    if chosen[0] == leader:
        return greedy, False
    rest = _fill(empty, control, without=leader) if leader in chosen else greedy
    if gains[leader] <= rest.worth:
        return greedy, False
    return _fill(empty, control, leader=leader), True


def _selection(empty: Basket, basket: Basket, *, led_by_single: bool) -> Selection:
    picks = sorted(basket.picks, key=lambda pick: pick.arm is Arm.CONTROL)  # stable: chosen ones first
    source = empty.problem.source
    return Selection(
        picks=tuple(picks),
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
