"""What may be picked: the rules of a batch, in the order in which they hold.

Before the batch (`standing_rules`): who breaks one is out of the round, for every arm and strategy.

1. A vetoed row is out.
2. A known design (labelled or pending) is out. A repetition of a labelled sample is exempt from that; it is
   out unless the label is suspicious and no repetition of it is pending.
3. A source that takes longer than the round may wait is out.
4. A source without a place, by quota or capacity, is out.

While the batch grows (`room`, and the basket for the designs):

5. no design twice;
6. at most `most_per_group` picks of a group;
7. at most as many picks of a source as its quota and its capacity allow;
8. the money: what is picked fits into the budget and into the source's own budget.

Who picks: first a person (injected rows, in their order; one that breaks a rule is an error, never skipped),
then chance (the control arm), then the strategy. Chance and the strategy keep places for sources with a minimum
(`keep_places`), and a strategy that is not uniform keeps one for each source with a budget of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from worker.acquisition.errors import BudgetTooSmallError, NothingEligibleError
from worker.acquisition.problem import BoolArray, FloatArray, IntArray, RankingProblem

# A data weight is the probability that a sample is sound over the mean of that probability, which is at most 1:
# below 0.5 the label is more likely wrong than right. It then counts as if its variance were more than twice a
# plain label's, so that a repetition tells more than the label does. Far from a shifted target domain weights
# are low, too; there a repetition has next to no gain.
RETEST_PRECISION = 0.5


@dataclass(frozen=True)
class StandingRule:
    """A rule that holds whatever else is picked.

    Attributes:
        blocked: (m,) candidates that break it.
        complaint: what is wrong with them, as a predicate in the plural.
        remedy: what to do about it.
    """

    blocked: BoolArray
    complaint: str
    remedy: str


def standing_rules(problem: RankingProblem) -> list[StandingRule]:
    """The rules 1 to 4, in this order. O(m log(n + q))."""
    repetition = problem.repeats >= 0 if problem.repeats.size else np.zeros(problem.size, dtype=np.bool_)
    return [
        StandingRule(_vetoed(problem), "are vetoed", "lift a veto"),
        StandingRule(
            ~repetition & np.isin(problem.design, problem.known_designs),
            "are pending or repeat a known design",
            "add new designs or complete the pending ones",
        ),
        StandingRule(
            repetition & ~_suspicious(problem),
            "repeat a test whose label is not suspicious or that is being repeated already",
            "propose new designs instead",
        ),
        StandingRule(_too_slow(problem), "take longer than the round may wait", "allow a longer lead time"),
        StandingRule(
            _without_place(problem),
            "are of a source without a place in the batch",
            "raise its quota or its capacity, or complete what is pending there",
        ),
    ]


def eligible(problem: RankingProblem) -> BoolArray:
    """(m,) whether a candidate breaks none of the standing rules."""
    blocked = np.zeros(problem.size, dtype=np.bool_)
    for rule in standing_rules(problem):
        blocked |= rule.blocked
    return ~blocked


def check_not_hopeless(problem: RankingProblem, candidates: BoolArray) -> None:
    """Refuse a round in which not even one pick is possible.

    Args:
        problem: the round.
        candidates: (m,) what `eligible` says.

    Raises:
        NothingEligibleError: naming every rule that keeps candidates out, and the remedy.
        BudgetTooSmallError: naming the cheapest price.
    """
    if not candidates.any():
        raise NothingEligibleError(_nothing_eligible(problem))
    if not (candidates & affordable(problem, [])).any():
        cheapest = float(problem.acquisition_cost[candidates].min())
        raise BudgetTooSmallError(
            f"No eligible candidate fits into the budget; the cheapest costs {cheapest:,.2f}. "
            "Raise the budget (or its source's budget) or add cheaper candidates."
        )


def room(
    problem: RankingProblem,
    picked: Sequence[int],
    *,
    share: float = 1.0,
    before: Sequence[int] = (),
    money: bool = True,
) -> BoolArray:
    """(m,) the rules 6 to 8: whether a candidate has a place beside what is picked.

    Args:
        problem: the round.
        picked: rows of the pool.
        share: of each source's places and of each budget, that all picked rows together may use.
        before: rows that were taken before; the share is that of what they leave.
        money: False leaves the last rule out.
    """
    fits = _group_open(problem, [*before, *picked])
    if money:
        fits = fits & affordable(problem, picked, share=share, before=before)
    for source, places in problem.limits.source_places.items():
        mine = problem.source == source
        left = places - int(mine[list(before)].sum())
        fits &= ~mine | (int(mine[list(picked)].sum()) + 1 <= share * left)
    return fits


def affordable(
    problem: RankingProblem, picked: Sequence[int], *, share: float = 1.0, before: Sequence[int] = ()
) -> BoolArray:
    """(m,) whether a candidate fits beside the picked rows into `share` of each budget that applies."""
    limits, costs = problem.limits, problem.acquisition_cost
    fits = np.ones(problem.size, dtype=np.bool_)
    if limits.budget is not None:
        fits = _fits(costs, picked, before, share, limits.budget)
    for source, budget in limits.source_budgets.items():
        mine = problem.source == source
        of_source = [[row for row in rows if mine[row]] for rows in (picked, before)]
        fits &= ~mine | _fits(costs, of_source[0], of_source[1], share, budget)
    return fits


def keep_places(
    problem: RankingProblem, picked: Sequence[int], allowed: BoolArray, least: Mapping[int, int]
) -> BoolArray:
    """Only sources that wait for picks, once the places left are just enough for them.

    Args:
        problem: the round.
        picked: rows of the pool.
        allowed: (m,) what may be picked; a source without any does not wait.
        least: picks that a source shall get, by its index.

    Returns:
        (m,) the part of `allowed` that leaves the places.
    """
    served = Counter(problem.source[list(picked)].tolist())
    waiting = {source: count - served[source] for source, count in least.items() if count > served[source]}
    if waiting:
        buyable = np.unique(problem.source[allowed]).tolist()
        waiting = {source: count for source, count in waiting.items() if source in buyable}
    if not waiting or problem.limits.batch_size - len(picked) > sum(waiting.values()):
        return allowed
    return allowed & np.isin(problem.source, sorted(waiting))


def places_left(problem: RankingProblem, allowed: BoolArray, picked: Sequence[int]) -> int:
    """How many of the allowed rows the rules 5 to 7 let into the batch beside the picked ones, at most."""
    limits = problem.limits
    count = min(limits.batch_size - len(picked), len(np.unique(problem.design[allowed])))
    if limits.most_per_group is not None and problem.group.size:
        most = dict.fromkeys(np.unique(problem.group).tolist(), limits.most_per_group) | {-1: count}
        count = min(count, _open_places(problem.group, most, allowed, picked))
    if limits.source_places:
        most = dict.fromkeys(np.unique(problem.source).tolist(), count) | limits.source_places
        count = min(count, _open_places(problem.source, most, allowed, picked))
    return count


def obstacle(problem: RankingProblem, row: int, picked: Sequence[int]) -> str | None:
    """Which rule keeps a row out of a batch with these picks, and the remedy; None if it has a place."""
    for rule in standing_rules(problem):
        if rule.blocked[row]:
            return f"such rows {rule.complaint}: {rule.remedy}"
    if (problem.design[list(picked)] == problem.design[row]).any():
        return "its design is in the batch already: inject it once"
    if not _group_open(problem, picked)[row]:
        return f"its group has {problem.limits.most_per_group} picks already: raise most_per_group"
    if not affordable(problem, picked)[row]:
        cost = problem.acquisition_cost[row]
        return f"it costs {cost:,.2f}, more than is left: raise the budget (or its source's budget)"
    if not room(problem, picked)[row]:
        return "its source has no place left: raise its quota or its capacity"
    return None


def _nothing_eligible(problem: RankingProblem) -> str:
    counted, seen = [], np.zeros(problem.size, dtype=np.bool_)
    for rule in standing_rules(problem):
        count = int((rule.blocked & ~seen).sum())
        seen |= rule.blocked
        if count:
            counted.append((count, rule))
    if len(counted) == 1:
        rule = counted[0][1]
        return f"All {problem.size} candidates {rule.complaint}; {rule.remedy}."
    complaints = ", ".join(f"{count} {rule.complaint}" for count, rule in counted)
    remedies = " or ".join(rule.remedy for _, rule in counted)
    return f"None of the {problem.size} candidates may be picked: {complaints}; {remedies}."


def _vetoed(problem: RankingProblem) -> BoolArray:
    blocked = np.zeros(problem.size, dtype=np.bool_)
    blocked[problem.vetoed] = True
    return blocked


def _suspicious(problem: RankingProblem) -> BoolArray:
    """(m,) repetitions worth proposing: of a suspicious label, not under way."""
    worth = problem.label_precision < RETEST_PRECISION
    worth[problem.pending_repeats] = False
    found = np.zeros(problem.size, dtype=np.bool_)
    if problem.repeats.size:
        repetition = problem.repeats >= 0
        found[repetition] = worth[problem.repeats[repetition]]
    return found


def _too_slow(problem: RankingProblem) -> BoolArray:
    limits = problem.limits
    if limits.longest_lead_time_hours is None:
        return np.zeros(problem.size, dtype=np.bool_)
    longest = limits.longest_lead_time_hours
    slow = [source for source, hours in limits.source_lead_time_hours.items() if hours > longest]
    return np.isin(problem.source, slow)


def _without_place(problem: RankingProblem) -> BoolArray:
    full = [source for source, places in problem.limits.source_places.items() if places == 0]
    return np.isin(problem.source, full)


def _group_open(problem: RankingProblem, picked: Sequence[int]) -> BoolArray:
    most = problem.limits.most_per_group
    if most is None or not problem.group.size:
        return np.ones(problem.size, dtype=np.bool_)
    groups, counts = np.unique(problem.group[list(picked)], return_counts=True)
    return ~np.isin(problem.group, groups[(counts >= most) & (groups >= 0)])


def _open_places(labels: IntArray, most: dict[int, int], allowed: BoolArray, picked: Sequence[int]) -> int:
    """Sum over the labels of what is open: the places that are not taken, and no more than the rows there are."""
    taken = Counter(labels[list(picked)].tolist())
    names, rows = np.unique(labels[allowed], return_counts=True)
    found = zip(names.tolist(), rows.tolist(), strict=True)
    return sum(min(most[name] - taken[name], count) for name, count in found)


def _fits(
    costs: FloatArray, picked: Sequence[int], before: Sequence[int], share: float, budget: float
) -> BoolArray:
    left = share * (budget - math.fsum(costs[index] for index in before))
    # sums of cents are not exact in floating point: a batch that costs just the budget must fit
    fits: BoolArray = math.fsum(costs[index] for index in picked) + costs <= left + 1e-12 * budget
    return fits
