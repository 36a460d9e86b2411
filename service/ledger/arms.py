"""Control arm against chosen arm, by the errors of the round's frozen surrogate at the results.

The chosen picks should lie where the surrogate had more to learn than at random ones: a mean squared error above that
of the control arm. It is a necessary sign of good advice, not a proof: a place can be wrong because it is noisy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.ledger.repository import PickRow
from service.ledger.schemas import ArmComparison, ArmResults
from service.vocabulary import Arm

# With fewer results in an arm, a ratio of means says nothing that an interval could bound.
LEAST_RESULTS = 5
RESAMPLES = 2000
LEVEL = 0.9

Array = NDArray[np.float64]


def compare_arms(picks: Sequence[PickRow]) -> ArmComparison:
    """The comparison over any set of picks, of one round or of several. O(picks + resamples * results)."""
    arms = {arm: _errors(picks, arm) for arm in Arm}
    ratio = _ratio(arms[Arm.CHOSEN], arms[Arm.CONTROL])
    interval = _interval(arms[Arm.CHOSEN], arms[Arm.CONTROL])
    chosen, control, injected = (
        _results(picks, arm, arms[arm]) for arm in (Arm.CHOSEN, Arm.CONTROL, Arm.INJECTED)
    )
    return ArmComparison(
        chosen=chosen,
        control=control,
        injected=injected,
        ratio=ratio,
        interval=interval,
        sentence=_sentence(chosen.results, control.results, interval),
    )


def squared_error(pick: PickRow) -> float | None:
    """Of the round's surrogate at the result, squared target units; None without a result."""
    predicted = (pick.components or {}).get("predicted")
    if pick.target is None or predicted is None:
        return None
    return float((pick.target - predicted) ** 2)


def _errors(picks: Sequence[PickRow], arm: Arm) -> Array:
    """(results, 2): squared error, and weight = 1 / probability of the draw (1 for what was not drawn)."""
    found = [
        (error, 1.0 / (pick.selection_probability or 1.0))
        for pick in picks
        if pick.arm is arm and (error := squared_error(pick)) is not None
    ]
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def _results(picks: Sequence[PickRow], arm: Arm, errors: Array) -> ArmResults:
    return ArmResults(
        picks=sum(pick.arm is arm for pick in picks),
        results=len(errors),
        mean_squared_error=float(_mean(errors)) if len(errors) else None,
    )


def _mean(errors: Array) -> Array:
    """Weighted mean of the errors; over the last but one axis."""
    mean: Array = (errors[..., 0] * errors[..., 1]).sum(-1) / errors[..., 1].sum(-1)
    return mean


def _ratio(chosen: Array, control: Array) -> float | None:
    if not len(chosen) or not len(control) or _mean(control) == 0:
        return None
    return float(_mean(chosen) / _mean(control))


def _interval(chosen: Array, control: Array) -> tuple[float, float] | None:
    """Percentile bootstrap, each arm resampled by itself; the same rows give the same interval."""
    if min(len(chosen), len(control)) < LEAST_RESULTS or not control[:, 0].all():
        return None
    generator = np.random.default_rng(0)
    means = [_resampled_means(errors, generator) for errors in (chosen, control)]
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(means[0] / means[1], [tail, 1.0 - tail])
    return float(low), float(high)


def _resampled_means(errors: Array, generator: np.random.Generator) -> Array:
    """(RESAMPLES,) means of the arm drawn with replacement. O(resamples * results)."""
    picks = generator.integers(len(errors), size=(RESAMPLES, len(errors)))
    weights = errors[:, 1]
    weighted = (errors[:, 0] * weights)[picks].sum(-1)
    # Mostly all weights are the same: half of the work.
    totals = len(errors) * weights[0] if np.ptp(weights) == 0 else weights[picks].sum(-1)
    means: Array = weighted / totals
    return means


def _sentence(chosen: int, control: int, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return (
            f"{chosen} chosen and {control} random picks have a result: "
            f"{LEAST_RESULTS} of each are needed to compare them."
        )
    if interval[0] > 1.0:
        return "The chosen picks were where the surrogate was more wrong than at random ones: more to learn there."
    if interval[1] < 1.0:
        return "The chosen picks were where the surrogate was less wrong than at random ones: less to learn there."
    return "No difference shown between chosen and random picks."
