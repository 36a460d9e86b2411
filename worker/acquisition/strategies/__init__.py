"""Acquisition strategies: small classes under one contract, found by name.

A strategy scores candidates given what is known (`start` makes its criterion); the loop of `selection.py`
buys the batch and is the same for all, so budgets, duplicates, pending designs and the control arm hold for
every strategy.
"""

from __future__ import annotations

from worker.acquisition.errors import UnknownStrategyError
from worker.acquisition.strategies.base import Strategy
from worker.acquisition.strategies.comparators import LossValValue, NearTarget, RandomChoice
from worker.acquisition.strategies.coverage import (
    KMeansPlusPlus,
    LargestClusterMaximumDistance,
    SpaceFilling,
)
from worker.acquisition.strategies.design import Bait, MaxDeterminant, TopVariance, VarianceReduction

__all__ = ["AUTO", "STRATEGIES", "Strategy", "strategy_named"]

# Not a strategy of its own: `evidence.py` says which one it stands for.
AUTO = "auto"
STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        VarianceReduction,
        LargestClusterMaximumDistance,
        Bait,
        MaxDeterminant,
        KMeansPlusPlus,
        SpaceFilling,
        TopVariance,
        LossValValue,
        NearTarget,
        RandomChoice,
    )
}


def strategy_named(name: str) -> Strategy:
    """The strategy registered as `name`, with its default parameters.

    Raises:
        UnknownStrategyError: no such name; the message lists the known ones.
    """
    try:
        return STRATEGIES[name]()
    except KeyError:
        known = ", ".join(sorted([AUTO, *STRATEGIES]))
        raise UnknownStrategyError(f"Unknown strategy {name!r}; choose one of: {known}.") from None
