"""What repeats of a backtest allow to say.

**Log ratio.** Per repeat and contestant: log(RMSE / RMSE of random picks), averaged over as many points of equal
spending as there are rounds, up to what the thriftier of the two spent in all. Where all rows cost the same these
points are the rounds; where they do not, a strategy that buys cheap rows is compared with what random picks
had reached for the same money. Both learning curves are linear between batches. With several random contestants
per repeat it is the mean over them.

**Interval.** The repeats draw on the same labelled rows, so they are not independent: the plain variance of their mean,
S^2 / J, goes to 0 with ever more repeats although no row was added (Nadeau and Bengio, "Inference for the
generalization error", Machine Learning 52, 2003). The variance used here is S^2 / J, for what differs between repeats
(initial set, networks, random picks, split), plus the sampling variance of the held-out rows: to first order a row
with squared errors e^2 and r^2 moves the log ratio of its repeat by

    psi = (e^2 / mean e^2 - r^2 / mean r^2) / (2 h),      h held-out rows,

and the variance is the sum of squares of what each group of rows contributes to the mean over all repeats (the
cluster-robust "sandwich" variance; Liang and Zeger, Biometrika 73, 1986). Rows that every repeat holds out count in
full, however many repeats there are. S^2 holds a part of it already: the interval errs on the wide side. Student's t
with J - 1 degrees of freedom. What the correction of Nadeau and Bengio assumes, that repeats have S^2 n_holdout /
n_trainable in common, was not found: between generated campaigns with permuted targets it is 0.03 +- 0.03 of S^2
(`benchmarks.null_backtest`), and with it a strategy that saves 70 % of the labels passed for `not_better`.

For m strategies the level of each is 1 - (1 - level) / m (Bonferroni), so that the chance that any of m useless ones
shows an interval beside 0 stays below 1 - level. One interval, shown and deciding: no verdict contradicts it.

**Verdict.** `better`: the interval lies below 0 and the surrogate has learnt something, that is, the same kind of
interval of log(RMSE / RMSE of the mean of the known labels) lies below 0 as well. Without this condition a strategy
that merely makes the networks overfit less wins on pure noise. `worse`: the interval lies above 0. Otherwise
`not_better`.

**Savings.** At the lowest error that both mean learning curves reach: what random picks had bought by then minus
what the strategy had, as a share of all that random picks buy. Intervals: percentiles of paired resamples of the
repeats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from worker.acquisition.backtest.replay import Standing
from worker.acquisition.backtest.report import CurvePoint, Interval, Saving
from worker.acquisition.evidence import Verdict
from worker.acquisition.problem import FloatArray, IntArray

_BOOTSTRAPS = 1000
Course = Sequence[Standing]


@dataclass(frozen=True)
class Curves:
    """One contestant, or the mean of several, over J repeats and 1 + rounds standings.

    Attributes:
        labels: (J, 1 + rounds) rows known.
        money: (J, 1 + rounds) spent since the start.
        log_rmse: (J, 1 + rounds).
        log_mean_rmse: (J, 1 + rounds), of whoever says the mean of the known labels.
        q95_error, max_error: (J, 1 + rounds) in target units.
    """

    labels: FloatArray
    money: FloatArray
    log_rmse: FloatArray
    log_mean_rmse: FloatArray
    q95_error: FloatArray
    max_error: FloatArray

    @classmethod
    def of(cls, courses: Sequence[Course]) -> Curves:
        """Of one course per repeat."""

        def figures(name: str) -> FloatArray:
            return np.array([[getattr(standing, name) for standing in course] for course in courses], float)

        return cls(
            labels=figures("labels"),
            money=figures("acquisition_cost"),
            log_rmse=np.log(figures("rmse")),
            log_mean_rmse=np.log(figures("mean_rmse")),
            q95_error=figures("q95_error"),
            max_error=figures("max_error"),
        )

    @classmethod
    def mean(cls, several: Sequence[Curves]) -> Curves:
        """Mean of several contestants of the same repeats."""
        return cls(
            **{
                name: np.mean([getattr(one, name) for one in several], axis=0)
                for name in cls.__dataclass_fields__
            }
        )

    def points(self) -> tuple[CurvePoint, ...]:
        """Means over the repeats, of the RMSE also where four fifths of them lie."""
        return tuple(
            CurvePoint(
                round=index,
                labels=float(self.labels[:, index].mean()),
                acquisition_cost=float(self.money[:, index].mean()),
                rmse=math.exp(float(self.log_rmse[:, index].mean())),
                q95_error=float(self.q95_error[:, index].mean()),
                max_error=float(self.max_error[:, index].mean()),
                rmse_low=math.exp(float(np.quantile(self.log_rmse[:, index], 0.1))),
                rmse_high=math.exp(float(np.quantile(self.log_rmse[:, index], 0.9))),
            )
            for index in range(self.labels.shape[1])
        )


def log_ratios(strategy: Curves, random: Curves) -> FloatArray:
    """(J,) mean log(RMSE / RMSE of random) at equal spending; lower is better."""
    courses = zip(strategy.money, strategy.log_rmse, random.money, random.log_rmse, strict=True)
    return np.array([_log_ratio(*course) for course in courses])


def _log_ratio(
    money: FloatArray, log_rmse: FloatArray, random_money: FloatArray, random_log_rmse: FloatArray
) -> float:
    spent = np.linspace(0.0, min(money[-1], random_money[-1]), len(money))[1:]
    own = np.interp(spent, money, log_rmse)
    return float(np.mean(own - np.interp(spent, random_money, random_log_rmse)))


def corrected_interval(ratios: FloatArray, *, level: float, strategies: int, row_variance: float) -> Interval:
    """Interval of the mean of (J,) paired log ratios, J >= 2 (module docstring).

    Args:
        ratios: one per repeat.
        level: for all strategies together.
        strategies: m, how many are compared.
        row_variance: of the mean, because the held-out rows are a sample; see `row_variance`.
    """
    repeats = len(ratios)
    quantile = float(student.ppf(1.0 - (1.0 - level) / (2.0 * strategies), repeats - 1))
    half = quantile * math.sqrt(float(ratios.var(ddof=1)) / repeats + row_variance)
    mean = float(ratios.mean())
    return mean - half, mean + half


def row_variance(
    errors: Sequence[FloatArray], others: Sequence[FloatArray], groups: Sequence[IntArray]
) -> float:
    """Sampling variance of the mean log ratio of J repeats by the choice of held-out rows (module docstring).

    Args:
        errors: per repeat (points, h) squared errors > 0 of h held-out rows at the points that are averaged.
        others: the same of the comparator.
        groups: per repeat (h,) group of each row; rows of one group err together.
    """
    influence = np.concatenate(
        [
            (_relative(own) - _relative(other)) / (2.0 * own.shape[1] * len(errors))
            for own, other in zip(errors, others, strict=True)
        ]
    )
    names, index = np.unique(np.concatenate(groups), return_inverse=True)
    of_group = np.bincount(index, weights=influence)
    return float(np.square(of_group).sum()) * len(names) / max(1, len(names) - 1)


def _relative(squared_errors: FloatArray) -> FloatArray:
    """(h,) squared errors over their mean, averaged over the points."""
    relative: FloatArray = (squared_errors / squared_errors.mean(axis=1, keepdims=True)).mean(axis=0)
    return relative


def verdict_of(interval: Interval, *, learns: bool) -> Verdict:
    """The verdict (module docstring)."""
    if interval[0] > 0.0:
        return Verdict.WORSE
    return Verdict.BETTER if interval[1] < 0.0 and learns else Verdict.NOT_BETTER


def resamples(repeats: int, generator: np.random.Generator) -> IntArray:
    """(1000, J) repeats drawn with replacement; the same draws serve all strategies."""
    return generator.integers(0, repeats, size=(_BOOTSTRAPS, repeats))


def bootstrap_interval(ratios: FloatArray, draws: IntArray, level: float) -> Interval:
    """Percentile interval of the mean of (J,) ratios over paired resamples."""
    return _percentiles(ratios[draws].mean(axis=1), level)


def saving(strategy: Curves, random: Curves, by: str, draws: IntArray, level: float) -> Saving:
    """What a strategy saves at equal error; `by` is labels or money. Higher is better."""

    def mean_saved(repeats: IntArray) -> tuple[float, float]:
        own, others = (getattr(one, by)[repeats].mean(axis=0) for one in (strategy, random))
        errors = (one.log_rmse[repeats].mean(axis=0) for one in (strategy, random))
        return saved_at_equal_error(own - own[0], others - others[0], *errors)

    amount, share = mean_saved(np.arange(len(random.labels)))
    return Saving(amount, share, _percentiles(np.array([mean_saved(draw)[1] for draw in draws]), level))


def saved_at_equal_error(
    bought: FloatArray, random_bought: FloatArray, error: FloatArray, random_error: FloatArray
) -> tuple[float, float]:
    """Amount and share that the strategy saves (module docstring).

    Args:
        bought: (1 + rounds,) labels or money since the start, not falling.
        random_bought: the same of random picks.
        error: (1 + rounds,) any rising function of the error.
        random_error: the same of random picks.
    """
    level = max(error.min(), random_error.min())
    amount = _first_at(level, random_bought, random_error) - _first_at(level, bought, error)
    return amount, amount / float(random_bought[-1]) if random_bought[-1] > 0 else 0.0


def _first_at(level: float, bought: FloatArray, error: FloatArray) -> float:
    """Where a curve that is linear between its points first comes down to a level that it reaches."""
    index = int(np.argmax(error <= level))
    if index == 0:
        return float(bought[0])
    part = (error[index - 1] - level) / (error[index - 1] - error[index])
    return float(bought[index - 1] + part * (bought[index] - bought[index - 1]))


def _percentiles(values: FloatArray, level: float) -> Interval:
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
