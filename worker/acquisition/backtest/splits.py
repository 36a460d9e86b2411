"""Who may be bought, who is measured on, who is known at the start: one draw per repeat."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from worker.acquisition.backtest.problem import BacktestConfig, BacktestData
from worker.acquisition.problem import FloatArray, IntArray

# Fewer rows measure an error, let alone its 95 % quantile, too badly.
LEAST_HOLDOUT = 10
# With fewer groups the repeats hold out the same ones again and again.
LEAST_GROUPS = 5
# Candidates per purchase: who must buy nearly everything cannot choose.
LEAST_CHOICE = 1.5
# A group that overfills the holdout by more than this factor is left to training.
_MOST_OVERFILL = 1.5


@dataclass(frozen=True)
class Split:
    """Row numbers of one repeat.

    Attributes:
        initial: (initial,) known at the start.
        pool: the others that may be bought.
        holdout: measured on; no row of these groups is ever acquired.
        target: (t, d) points of the target domain.
    """

    initial: IntArray
    pool: IntArray
    holdout: IntArray
    target: FloatArray


def draw_split(data: BacktestData, config: BacktestConfig, generator: np.random.Generator) -> Split:
    """Hold out groups and draw the initial set.

    Whole groups are held out until they have `holdout_fraction` of the rows: drawn at random, or, with points of the
    target domain, those that look like it. For each point, drawn at random, the group of the nearest labelled row is
    held out, and that of the next nearest is left to be bought: else nothing near the target domain could be.
    """
    held = data.holdout
    if held is None:
        held = np.isin(data.groups, _drawn_groups(data, config.holdout_fraction, generator))
    trainable = generator.permutation(np.flatnonzero(~np.isin(data.groups, data.groups[held])))
    measured = held if data.target_source is None else held & (data.source == data.target_source)
    holdout = np.flatnonzero(measured)
    return Split(
        initial=np.sort(trainable[: config.initial]),
        pool=np.sort(trainable[config.initial :]),
        holdout=holdout,
        target=data.X[holdout] if data.target is None else data.target,
    )


def _drawn_groups(data: BacktestData, fraction: float, generator: np.random.Generator) -> IntArray:
    wanted, total = fraction * data.rows, 0
    chosen = []
    for group in _group_order(data, generator):
        size = int((data.groups == group).sum())
        if total >= wanted:
            break
        if total + size <= _MOST_OVERFILL * wanted:
            chosen.append(group)
            total += size
    return np.array(chosen, dtype=np.int64)


def _group_order(data: BacktestData, generator: np.random.Generator) -> Iterator[int]:
    """Groups in the order in which they are held out, each at most once."""
    if data.target is None:
        yield from generator.permutation(np.unique(data.groups)).tolist()
        return
    free = np.ones(data.rows, dtype=np.bool_)
    for point in itertools.cycle(generator.permutation(len(data.target))):
        distance = np.square(data.X - data.target[point]).sum(axis=1)
        for held_out in (True, False):  # of two that are alike one is measured on and one can be bought
            if not free.any():
                return
            group = int(data.groups[np.argmin(np.where(free, distance, np.inf))])
            free &= data.groups != group
            if held_out:
                yield group


def shortage(data: BacktestData, config: BacktestConfig, splits: list[Split]) -> str:
    """What is needed for a backtest that says something; empty if the rows are enough for every split."""
    groups = len(np.unique(data.groups))
    if groups < LEAST_GROUPS and data.holdout is None:
        return f"A backtest needs {LEAST_GROUPS} groups to hold out some of them; there are {groups}."
    bought = config.rounds * config.batch_size
    to_train = config.initial + math.ceil(LEAST_CHOICE * bought)
    trainable = min(len(split.initial) + len(split.pool) for split in splits)
    holdout = min(len(split.holdout) for split in splits)
    if trainable >= to_train and holdout >= LEAST_HOLDOUT:
        return ""
    lacking = max(0, to_train - trainable) + max(0, LEAST_HOLDOUT - holdout)
    if data.holdout is None:  # of every further row a part is held out
        share = config.holdout_fraction
        lacking = max(lacking, math.ceil(max(to_train / (1 - share), LEAST_HOLDOUT / share)) - data.rows)
    return (
        f"A backtest that starts with {config.initial} rows, buys {bought} more with some choice and measures on at "
        f"least {LEAST_HOLDOUT} others needs about {data.rows + lacking} labelled rows; there are {data.rows}: label "
        f"about {lacking} more, or lower initial, rounds or batch_size."
    )
