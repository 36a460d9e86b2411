"""The control arm: a few picks drawn at random, the unbiased comparator of the strategy's own picks.

They are drawn before the strategy chooses, which then counts them as known. Fair to both arms: the first
draw may cost up to half of each budget, so that expensive sources are in the comparison too; further draws
must keep the arm within its fraction of each budget. If every candidate costs more than half of a budget,
the batch has room for one pick only and there is no control arm. A source's places are shared in the same
way, and what a source shall get at least is kept for it. What a person injects comes before: the arm's fraction
is that of the places and the money that are left.
"""

from __future__ import annotations

import numpy as np

from worker.acquisition.feasibility import keep_places, places_left, room
from worker.acquisition.problem import BoolArray, RankingProblem

# Streams of the round's seed: the control draws are the same for every strategy (paired comparisons).
CONTROL_STREAM, STRATEGY_STREAM = 0, 1


def draw_control(problem: RankingProblem, eligible: BoolArray) -> list[tuple[int, float]]:
    """Draw max(1, round(fraction * size)) rows, size being that of the batch or of what can be bought.

    Every candidate has one random priority and the highest of the allowed ones is drawn: that is uniform,
    and the price of a candidate that is not drawn cannot change the draw.

    Args:
        problem: the round; its seed rules the draw.
        eligible: (m,) candidates that break none of the standing rules (`feasibility.py`).

    Returns:
        (row, probability) for each draw in order; the probability is 1 / (number of candidates that could be
        drawn at that turn).
    """
    fraction, injected = problem.limits.control_fraction, problem.injected.tolist()
    eligible = eligible & ~np.isin(problem.design, problem.design[injected])
    size = places_left(problem, eligible & room(problem, injected), injected)
    if fraction == 0 or size < 2:
        return []
    priority = np.random.default_rng([problem.seed, CONTROL_STREAM]).random(problem.size)
    drawn: list[tuple[int, float]] = []
    for _ in range(min(size - 1, max(1, round(fraction * size)))):
        share = fraction if drawn else max(0.5, fraction)
        rows = [row for row, _ in drawn]
        allowed = eligible & room(problem, rows, share=share, before=injected)
        allowed &= _leaves_minimums(problem, [*injected, *rows], eligible)
        if not allowed.any():
            break
        row = int(np.argmax(np.where(allowed, priority, -1.0)))
        drawn.append((row, 1.0 / int(allowed.sum())))
        eligible = eligible & (problem.design != problem.design[row])
    return drawn


def _leaves_minimums(problem: RankingProblem, picked: list[int], eligible: BoolArray) -> BoolArray:
    minimums = problem.limits.source_minimums
    return keep_places(problem, picked, eligible & room(problem, picked), minimums) if minimums else eligible
