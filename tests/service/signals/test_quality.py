import numpy as np
import pytest

from service.errors import InputError
from service.signals.channel import Channel
from service.signals.quality import check_acceleration
from tests.crash_files import signals_g


def channel(values, start_s=-0.02, interval_s=1e-4, **fields):
    return Channel(np.asarray(values, dtype=float), interval_s, start_s, "g", **fields)


def chest():
    return signals_g()[1].copy()


def test_what_sensors_measure_is_good():
    noise = np.random.default_rng(0).normal(0, 2.0, chest().size)
    check_acceleration(channel(chest() + noise))
    check_acceleration(channel(chest(), filter_class=60))


def test_hard_contacts_are_no_bit_errors():
    """A peak of 300 g within 0.5 ms behind an anti-alias filter at 1,650 Hz bends its neighbours too."""
    values = chest()
    values[700:706] -= 300 * np.sin(np.pi * np.arange(6) / 5) ** 2
    check_acceleration(channel(values))


@pytest.mark.parametrize("jump_g", [60.0, -60.0, 900.0])
def test_one_sample_that_jumps_is_one(jump_g):
    values = chest()
    values[700] += jump_g
    with pytest.raises(InputError, match=rf"sample 701 \(50.0 ms\) jumps by {abs(jump_g):.0f} g from both"):
        check_acceleration(channel(values))


def test_a_jump_too_small_to_move_a_label_is_left():
    values = chest()
    values[700] += 20.0
    check_acceleration(channel(values))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (channel(chest() * 1e3), "which no sensor there measures"),
        (channel(chest() / 1e3), "varies by less than 1 g"),
        (channel(np.full(2201, -30.0)), "varies by less than 1 g"),
        (channel(chest()[250:], start_s=0.006), "starts 6 ms after the first contact"),
        (channel(chest()[:400]), "ends 19.9 ms after the first contact"),
        (channel(chest()[::10], interval_s=1e-3), "needs 1800 Hz"),
    ],
)
def test_what_no_label_may_be_built_on(changed, message):
    with pytest.raises(InputError, match=message):
        check_acceleration(changed)


@pytest.mark.parametrize(("length", "level"), [(50, 0.0), (5, 0.0), (30, -60.0)])
def test_a_hole_is_a_dropout(length, level):
    values = chest()
    values[600 : 600 + length] = level
    with pytest.raises(InputError, match=rf"{length} samples from 40.0 ms on are equal.*a dropout"):
        check_acceleration(channel(values))


def test_a_hole_with_a_ragged_border():
    values = chest()
    values[600:650] = 0.0
    values[[600, 649]] = 1e-310
    with pytest.raises(InputError, match=r"50 samples from 40\.0 ms on are equal"):
        check_acceleration(channel(values))


def test_a_quiet_recorder_is_no_hole():
    """Steps of a coarse resolution, zeros before and after the pulse."""
    check_acceleration(channel(np.round(chest() / 0.5) * 0.5))
