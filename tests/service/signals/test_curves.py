"""Curves of one occupant against a crash whose motion is known in closed form."""

import numpy as np
import pytest

from service.signals.channel import Channel
from service.signals.curves import occupant_curves
from service.signals.rolc import real_occupant_load_criterion

GRAVITY = 9.80665
SPEED_MPS = 15.0
CAR_G, CHEST_G, ONSET_S = 30.0, 25.0, 0.02


def channel(deceleration_g: float, onset_s: float, length_s: float = 0.4) -> Channel:
    """At rest before the onset, then an even deceleration until the speed is used up."""
    time_s = np.arange(-0.02, length_s, 1e-4)
    stop_s = onset_s + SPEED_MPS / (deceleration_g * GRAVITY)
    values = np.where((time_s >= onset_s) & (time_s < stop_s), -deceleration_g, 0.0)
    return Channel(values, 1e-4, -0.02, "g")


def test_speeds_and_accelerations_are_those_of_the_motion() -> None:
    curves = occupant_curves(channel(CAR_G, 0.0), channel(CHEST_G, ONSET_S), SPEED_MPS)
    time_s = curves.time_ms / 1e3
    car = np.clip(SPEED_MPS - CAR_G * GRAVITY * time_s, 0, None)
    chest = np.clip(SPEED_MPS - CHEST_G * GRAVITY * np.clip(time_s - ONSET_S, 0, None), 0, None)
    assert np.abs(curves.vehicle_mps - car).max() < 1.0  # CFC60 rounds the corners off
    assert np.abs(curves.chest_mps - chest).max() < 0.3
    middle = (time_s > 0.035) & (time_s < 0.065)
    assert curves.chest_g[middle] == pytest.approx(-CHEST_G, rel=0.02)
    assert curves.vehicle_g[(time_s > 0.02) & (time_s < 0.035)] == pytest.approx(-CAR_G, rel=0.03)


def test_the_result_is_the_label_itself() -> None:
    car, chest = channel(CAR_G, 0.0), channel(CHEST_G, ONSET_S)
    curves = occupant_curves(car, chest, SPEED_MPS)
    assert curves.result == real_occupant_load_criterion(car, chest, SPEED_MPS)
    assert curves.result.rolc_g == pytest.approx(CHEST_G, rel=0.05)


@pytest.mark.parametrize("most", [50, 800, 100_000])
def test_the_window_ends_after_t2_and_is_thinned_evenly(most: int) -> None:
    curves = occupant_curves(channel(CAR_G, 0.0), channel(CHEST_G, ONSET_S), SPEED_MPS, most_points=most)
    assert len(curves.time_ms) == min(most, curves.samples)
    assert curves.time_ms[0] == pytest.approx(0, abs=1e-6)
    expected_ms = max(120.0, (curves.result.t2_ms or 0) + 40)
    assert curves.time_ms[-1] == pytest.approx(expected_ms, abs=0.11)
    steps = np.diff(curves.time_ms)
    assert steps.max() - steps.min() < 0.101


def test_without_a_label_there_are_curves_all_the_same() -> None:
    flat = channel(CHEST_G, 0.2)
    curves = occupant_curves(channel(CAR_G, 0.0), flat.with_values(np.zeros_like(flat.values)), SPEED_MPS)
    assert curves.result.rolc_g is None
    assert curves.chest_mps == pytest.approx(SPEED_MPS)
