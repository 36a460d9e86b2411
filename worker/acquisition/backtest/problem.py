"""What a backtest is given: labelled rows and settings, each checked once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.evidence import RANDOM
from worker.acquisition.problem import BoolArray, FloatArray, IntArray
from worker.acquisition.strategies import strategy_named
from worker.lossval.encoding import FeatureEncoder, FeatureSpec, Row

AS_BOUGHT = "as_bought"
LabelPrecision = Literal["lossval", "equal"]

# What is compared unless the user says otherwise. Few on purpose: every further strategy widens all intervals.
DEFAULT_STRATEGIES = ("variance_reduction", "lcmd")
LEAST_REPEATS = 5
# LossVal refuses fewer labelled samples.
LEAST_INITIAL = 10


@dataclass(frozen=True, kw_only=True)
class BacktestData:
    """n labelled rows.

    Attributes:
        X: (n, d) features, encoded by one transform that was fitted on all known rows and no target.
        y: (n,) target in its own units, not constant.
        acquisition_cost: (n,) money, > 0.
        source: (n,) source index.
        group: (n,) id of the group (vehicle platform): a group is held out whole; None = each row its own.
        target: (t, d) points of the target domain, t >= 1, encoded with the source for which the surrogate has to
            be good; None = the held-out rows' own features (without their labels).
        holdout: (n,) True for rows that are never acquired and always measured on, such as labelled rows of the
            target domain; None = another part of the rows in every repeat.
        target_source: only held-out rows of this source are measured on; None = of every source.
        bought_order: (n,) any numbers that rise in the order in which the tests were really bought, or None.

    Raises:
        InvalidProblemError: shapes that do not fit, numbers that are not finite, a constant target.
    """

    X: FloatArray
    y: FloatArray
    acquisition_cost: FloatArray
    source: IntArray
    group: IntArray | None = None
    target: FloatArray | None = None
    holdout: BoolArray | None = None
    target_source: int | None = None
    bought_order: FloatArray | None = None

    @classmethod
    def from_rows(
        cls,
        features: Sequence[FeatureSpec],
        rows: Sequence[Row],
        y: npt.ArrayLike,
        *,
        acquisition_cost: npt.ArrayLike | None = None,
        source: npt.ArrayLike | None = None,
        group: Sequence[Hashable] | None = None,
        target_rows: Sequence[Row] | None = None,
        holdout: npt.ArrayLike | None = None,
        target_source: int | None = None,
        bought_order: npt.ArrayLike | None = None,
    ) -> Self:
        """Encode design rows.

        Args:
            features: of the campaign; a source that the surrogate shall know is one of them.
            rows: n labelled design rows.
            y: (n,) target.
            acquisition_cost: (n,) money; None = 1 each, so that money counts labels.
            source: (n,) index; None = all the same.
            group: n names; None = each row its own group.
            target_rows: t rows of the target domain, without labels.
            holdout: (n,) as in the class.
            target_source: as in the class.
            bought_order: (n,) as in the class.

        Raises:
            LossValError: what `FeatureEncoder` refuses.
            InvalidProblemError: see the class.
        """
        encoder = FeatureEncoder.fit(features, [*rows, *(target_rows or ())])
        n = len(rows)
        return cls(
            X=encoder.transform(rows),
            y=np.asarray(y, dtype=np.float64),
            acquisition_cost=np.ones(n)
            if acquisition_cost is None
            else np.asarray(acquisition_cost, np.float64),
            source=np.zeros(n, np.int64) if source is None else np.asarray(source, np.int64),
            group=None if group is None else _numbered(group),
            target=encoder.transform(target_rows) if target_rows else None,
            holdout=None if holdout is None else np.asarray(holdout, np.bool_),
            target_source=target_source,
            bought_order=None if bought_order is None else np.asarray(bought_order, np.float64),
        )

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or not self.X.size:
            raise InvalidProblemError(f"X has shape {self.X.shape}; give labelled rows with features.")
        for name in ("y", "acquisition_cost", "source", "group", "holdout", "bought_order"):
            self._check_column(name)
        _check_finite("X", self.X)
        if (self.acquisition_cost <= 0).any():
            row = int(np.argmax(self.acquisition_cost <= 0))
            raise InvalidProblemError(f"acquisition_cost is not above 0 in row {row}; declare what it cost.")
        if np.ptp(self.y) <= 1e-12 * np.abs(self.y).max():
            raise InvalidProblemError(f"The target is {self.y[0]:g} in every row; there is nothing to learn.")
        if self.target is not None:
            self._check_target(self.target)

    def _check_column(self, name: str) -> None:
        values = getattr(self, name)
        if values is None:
            return
        if values.shape != (self.rows,):
            raise InvalidProblemError(f"{name} has shape {values.shape}; expected ({self.rows},).")
        _check_finite(name, values)

    def _check_target(self, target: FloatArray) -> None:
        if target.ndim != 2 or not len(target) or target.shape[1] != self.X.shape[1]:
            raise InvalidProblemError(
                f"target has shape {target.shape}; give target-domain rows with {self.X.shape[1]} columns."
            )
        _check_finite("target", target)

    @property
    def rows(self) -> int:
        return len(self.X)

    @property
    def groups(self) -> IntArray:
        """(n,) group of each row."""
        return np.arange(self.rows) if self.group is None else self.group


def _numbered(names: Sequence[Hashable]) -> IntArray:
    position = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return np.array([position[name] for name in names], dtype=np.int64)


def _check_finite(name: str, values: npt.NDArray[np.generic]) -> None:
    broken = np.flatnonzero(~np.isfinite(values.astype(np.float64)).reshape(len(values), -1).all(axis=1))
    if broken.size:
        raise InvalidProblemError(f"{name} is not finite in row {broken[0]}; correct or remove that row.")


@dataclass(frozen=True, kw_only=True)
class BacktestConfig:
    """How strategies are replayed.

    Attributes:
        strategies: registered names to compare with random picks; `random` takes part anyway, `auto` cannot: it is
            what the backtest decides about.
        initial: labelled rows at the start, drawn at random, the same for all strategies of a repeat.
        batch_size: rows per batch.
        rounds: batches; after each the surrogate is trained from scratch.
        repeats: of holdout, initial set and networks; at least 5 for a verdict.
        seed: the only source of randomness.
        holdout_fraction: share of the rows that is held out in every repeat, in whole groups.
        budget: money per batch, None = no limit.
        cost_exponent: how much the price counts in the strategies' scores, see `BatchLimits`.
        label_precision: `lossval` = data weights from a valuation pass before every batch, as a campaign has them;
            `equal` = all labels count the same, about twice as fast.
        random_draws: random contestants per repeat, whose mean is the comparator: more make it less noisy.
        members: networks per ensemble.
        hidden: widths of their hidden layers.
        steps: most optimiser steps of a training; it stops earlier by its out-of-fold error.
        sketch_dimension: columns of the gradient features.
        level: of the intervals, shared by all strategies of the backtest (`statistics.py`).

    Raises:
        InvalidProblemError: a setting out of range; UnknownStrategyError: a name without a strategy.
    """

    strategies: tuple[str, ...] = DEFAULT_STRATEGIES
    initial: int = 50
    batch_size: int = 10
    rounds: int = 5
    repeats: int = 10
    seed: int = 0
    holdout_fraction: float = 0.2
    budget: float | None = None
    cost_exponent: float = 0.5
    label_precision: LabelPrecision = "lossval"
    random_draws: int = 3
    members: int = 8
    hidden: tuple[int, ...] = (64, 64)
    steps: int = 300
    sketch_dimension: int = 256
    level: float = 0.95

    def __post_init__(self) -> None:
        for name, holds, allowed in self._rules():
            if not holds:
                raise InvalidProblemError(f"{name} is {getattr(self, name)!r}; choose {allowed}.")
        if "auto" in self.strategies:
            raise InvalidProblemError("auto is what a backtest decides for; name the strategies to compare.")
        for name in self.strategies:
            strategy_named(name)

    def _rules(self) -> Iterator[tuple[str, bool, str]]:
        """Name, whether it holds, what is allowed."""
        for setting in fields(self):
            value = getattr(self, setting.name)
            yield setting.name, not isinstance(value, float) or math.isfinite(value), "a finite number"
        yield "strategies", len(set(self.strategies)) == len(self.strategies), "each strategy once"
        yield "initial", self.initial >= LEAST_INITIAL, f"{LEAST_INITIAL} or more"
        for name in ("batch_size", "rounds", "random_draws", "steps", "sketch_dimension"):
            yield name, getattr(self, name) >= 1, "1 or more"
        yield "repeats", self.repeats >= LEAST_REPEATS, f"{LEAST_REPEATS} or more: fewer allow no verdict"
        yield "seed", self.seed >= 0, "0 or more"
        yield "holdout_fraction", 0 < self.holdout_fraction < 1, "a number above 0 and below 1"
        yield "budget", self.budget is None or self.budget > 0, "an amount above 0, or none"
        yield "cost_exponent", 0 <= self.cost_exponent <= 1, "a number between 0 and 1"
        yield "label_precision", self.label_precision in get_args(LabelPrecision), "lossval or equal"
        yield "members", self.members >= 2, "2 or more"
        yield "hidden", bool(self.hidden) and min(self.hidden) > 0, "one or more positive widths"
        yield "level", 0.5 <= self.level < 1, "a number from 0.5 to below 1"

    @property
    def compared(self) -> tuple[str, ...]:
        """The strategies that are compared with random picks."""
        return tuple(name for name in self.strategies if name != RANDOM)
