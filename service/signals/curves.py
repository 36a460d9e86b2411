"""The signals behind a label as people want to see them: car and chest, acceleration and speed, and the ROLC window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.signals.channel import STANDARD_GRAVITY_MPS2, Channel
from service.signals.rolc import (
    DEFAULT_DEFINITION,
    ROLC_DEFINITIONS,
    RolcResult,
    motion_of,
    prepare,
    real_occupant_load_criterion,
)

# Shown beyond t2, so that the rebound can be seen; and at least so much of every crash.
_AFTER_T2_S = 0.04
_LEAST_S = 0.12


@dataclass(frozen=True, eq=False)
class OccupantCurves:
    """Car and chest from the first contact on, on the grid of the chest record; each array of shape (n,).

    Attributes:
        time_ms: 0 is the first contact.
        vehicle_g, chest_g: x acceleration, filtered as the label definition says; braking is negative.
        vehicle_mps, chest_mps: speed over ground.
        result: the label with t1 and t2.
        samples: how many the records have in this window, n of which are kept.
    """

    time_ms: NDArray[np.float64]
    vehicle_g: NDArray[np.float64]
    chest_g: NDArray[np.float64]
    vehicle_mps: NDArray[np.float64]
    chest_mps: NDArray[np.float64]
    result: RolcResult
    samples: int


def occupant_curves(
    vehicle: Channel,
    chest: Channel,
    initial_speed_mps: float,
    definition: str = DEFAULT_DEFINITION,
    *,
    most_points: int = 800,
) -> OccupantCurves:
    """Curves of one occupant until 40 ms after t2, of 120 ms at least, thinned evenly to `most_points`.

    CFC180 passes up to 300 Hz: 800 points of 160 ms are 5,000 a second, eight times what that needs. O(samples).

    Args:
        vehicle: x acceleration of the occupant compartment.
        chest: x acceleration of the chest.
        initial_speed_mps: common speed at t = 0, > 0.
        definition: a key of `ROLC_DEFINITIONS`.
        most_points: what the picture can show.

    Raises:
        InputError: as `real_occupant_load_criterion`.
    """
    result = real_occupant_load_criterion(vehicle, chest, initial_speed_mps, definition)
    rule = ROLC_DEFINITIONS[definition]
    car, _ = prepare(vehicle, rule.vehicle_cfc, "vehicle")
    body, _ = prepare(chest, rule.chest_cfc, "chest")
    motion = motion_of(car, body, initial_speed_mps)
    window = np.flatnonzero(motion.time_s <= _end_s(result))
    kept = window[_evenly(len(window), most_points)]
    car_mps2 = np.interp(motion.time_s[kept], car.time_s, car.values)
    return OccupantCurves(
        time_ms=motion.time_s[kept] * 1e3,
        vehicle_g=car_mps2 / STANDARD_GRAVITY_MPS2,
        chest_g=motion.chest_mps2[kept] / STANDARD_GRAVITY_MPS2,
        vehicle_mps=motion.vehicle_mps[kept],
        chest_mps=motion.chest_mps[kept],
        result=result,
        samples=len(window),
    )


def _end_s(result: RolcResult) -> float:
    return max(_LEAST_S, (result.t2_ms or 0.0) / 1e3 + _AFTER_T2_S)


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.intp))
