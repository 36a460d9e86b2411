import numpy as np
import pytest

from service.signals.channel import Channel
from service.signals.plausibility import chest_flags, pulse_flags
from tests.crash_files import SPEED_MPS, signals_g


def channel(values_g, start_s=-0.02, interval_s=1e-4):
    return Channel(np.asarray(values_g), interval_s, start_s, "g")


CAR, CHEST = signals_g()[10] / 1.01, signals_g()[1]


def test_a_good_test_has_no_flag():
    assert pulse_flags(channel(CAR), SPEED_MPS, fixed_obstacle=True) == ()
    assert chest_flags(channel(CHEST), channel(CAR), SPEED_MPS) == ()


@pytest.mark.parametrize(
    ("factor", "flags"),
    [
        (0.5, ("crush_implausible", "speed_change_implausible")),
        (0.7, ("speed_change_implausible",)),
        (1.3, ("speed_change_implausible",)),
    ],
)
def test_a_wrong_gain_shows_in_speed_and_crush(factor, flags):
    found = pulse_flags(channel(CAR * factor), SPEED_MPS, fixed_obstacle=None)
    assert found[-len(flags) :] == flags


def test_a_moving_obstacle_is_not_judged():
    assert pulse_flags(channel(CAR * 0.5), SPEED_MPS, fixed_obstacle=False) == ()


def test_a_stop_harder_than_60_g_is_no_crash():
    wall = np.where(np.arange(2201) < 200, 0.0, 0.0)
    wall[200:215] = -SPEED_MPS / 9.80665 / 0.0015
    assert "crush_implausible" in pulse_flags(channel(wall), SPEED_MPS, fixed_obstacle=True)


def test_one_recorder_has_one_grid():
    for other in (channel(CHEST, start_s=-0.0225), channel(CHEST, interval_s=1.25e-4)):
        assert "chest_on_other_grid" in chest_flags(other, channel(CAR), SPEED_MPS)


@pytest.mark.parametrize("factor", [0.3, 1.6, -1.0])
def test_a_chest_that_is_not_stopped_or_thrown_back_too_fast(factor):
    assert chest_flags(channel(CHEST * factor), channel(CAR), SPEED_MPS) == ("chest_speed_implausible",)
