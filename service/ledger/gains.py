"""Predicted against realised gain of one round, both in target units so that they can be subtracted.

Predicted: a round expects to lower the mean variance on the target domain by the information of its picks. If that
holds, the surrogate's mean squared error falls by as much: rmse_after = sqrt(max(0, rmse_before^2 - information of the
results so far)). Only results count, so a half-finished round is judged by what came back.

Realised: the RMSE of the round's frozen surrogate minus that of the first surrogate that learned from the results. It
is only comparable when both were measured on the same held-out samples (holdout or validation): out-of-fold errors are
measured on the training samples, which the results changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from service.database.models import AcquisitionRound, Surrogate
from service.ledger.arms import squared_error
from service.ledger.repository import PickRow
from service.ledger.schemas import PredictedGain, RealisedGain

HELD_OUT = frozenset({"holdout", "validation"})


def predicted_gain(
    round_: AcquisitionRound, picks: Sequence[PickRow], rmse_before: float | None
) -> PredictedGain:
    """What the round promised for the results that are in."""
    back = [pick for pick in picks if pick.target is not None]
    predicted = [pick.components or {} for pick in back]
    information = [components.get("information") for components in predicted]
    known = [float(value) for value in information if value is not None]
    after = None
    if rmse_before is not None and back and len(known) == len(back):
        after = math.sqrt(max(0.0, rmse_before**2 - math.fsum(known)))
    metrics = round_.metrics or {}
    spreads = [components.get("predicted_std") for components in predicted]
    return PredictedGain(
        target_sd_before=metrics.get("target_sd_before"),
        target_sd_after=metrics.get("target_sd_after"),
        rmse_after=after,
        gain=None if rmse_before is None or after is None else rmse_before - after,
        error_at_results=_root_mean([float(value) ** 2 for value in spreads if value is not None]),
    )


def realised_gain(
    picks: Sequence[PickRow], before: Surrogate | None, after: Surrogate | None, learned: int
) -> RealisedGain:
    """What came of the results; `after` is None while no surrogate has learned from them."""
    errors = [error for pick in picks if (error := squared_error(pick)) is not None]
    old, new = (surrogate.metrics if surrogate else {} for surrogate in (before, after))
    first, second = old.get("rmse"), new.get("rmse")
    return RealisedGain(
        rmse_before=first,
        rmse_after=second,
        gain=None if first is None or second is None else first - second,
        measured_on=new.get("measured_on"),
        comparable=measured_alike(old, new),
        surrogate_id=after.id if after else None,
        results_learned=learned,
        error_at_results=_root_mean(errors),
        note=_note(old, new, has_results=bool(errors), has_learned=after is not None),
    )


def measured_alike(old: Mapping[str, object], new: Mapping[str, object]) -> bool:
    """Whether two surrogates were measured on the same held-out samples."""
    names = ("measured_on", "measured_samples")
    return old.get("measured_on") in HELD_OUT and all(old.get(name) == new.get(name) for name in names)


def learned_by(
    round_: AcquisitionRound, surrogates: Sequence[Surrogate], learned: Mapping[tuple[int, int], int]
) -> tuple[Surrogate | None, int]:
    """The first later surrogate that was trained on most results of the round, and on how many."""
    later = [surrogate for surrogate in surrogates if surrogate.id > round_.surrogate_id]
    counts = {surrogate.id: learned.get((round_.id, surrogate.id), 0) for surrogate in later}
    most = max(counts.values(), default=0)
    if most == 0:
        return None, 0
    return next(surrogate for surrogate in later if counts[surrogate.id] == most), most


def _root_mean(squares: Sequence[float]) -> float | None:
    return math.sqrt(math.fsum(squares) / len(squares)) if squares else None


def _note(
    old: Mapping[str, object], new: Mapping[str, object], *, has_results: bool, has_learned: bool
) -> str:
    if not has_results:
        return "No result is in yet."
    if not has_learned:
        return "No surrogate has learned from the results yet: request a valuation run."
    if not measured_alike(old, new):
        return (
            f"Measured on {old.get('measured_on')} before and {new.get('measured_on')} after, not on the same held-out "
            "samples: the gain is an indication only. A labelled holdout makes it comparable."
        )
    return ""
