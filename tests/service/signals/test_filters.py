import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InputError
from service.signals.channel import Channel
from service.signals.filters import cfc_filter

RATE_HZ = 10_000


def channel(values, *, rate_hz=RATE_HZ, filter_class=None):
    return Channel(np.asarray(values), 1 / rate_hz, 0.0, "g", filter_class=filter_class, name="chest")


def gain_db(frequency_hz, cfc):
    """Gain of a long sine, measured by projection on the middle half of the record."""
    time_s = np.arange(20_000) / RATE_HZ
    phasor = np.exp(-2j * np.pi * frequency_hz * time_s)
    middle = slice(5_000, 15_000)
    signal = channel(np.cos(2 * np.pi * frequency_hz * time_s))
    passed = cfc_filter(signal, cfc).values
    amplitude = np.abs(np.mean(passed[middle] * phasor[middle])) / np.abs(
        np.mean(signal.values[middle] * phasor[middle])
    )
    return 20 * np.log10(amplitude)


@pytest.mark.parametrize(("cfc", "cutoff_hz"), [(60, 100.0), (180, 300.5), (600, 1018.0), (1000, 1751.0)])
def test_minus_3_db_at_the_cutoff(cfc, cutoff_hz):
    assert gain_db(cutoff_hz, cfc) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("cfc", [60, 180, 600])
def test_flat_below_and_steep_above(cfc):
    assert gain_db(cfc / 4, cfc) == pytest.approx(0.0, abs=0.05)
    assert gain_db(cfc * 5 / 3 * 3, cfc) < -30


def test_a_constant_passes_unchanged():
    assert cfc_filter(channel(np.full(500, -7.5)), 60).values == pytest.approx(np.full(500, -7.5))


def test_no_phase_shift():
    time_s = (np.arange(2_001) - 1_000) / RATE_HZ
    filtered = cfc_filter(channel(np.exp(-((time_s / 0.01) ** 2))), 180).values
    assert np.argmax(filtered) == 1_000
    assert filtered == pytest.approx(filtered[::-1], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(-100, 100))
def test_linear(seed, factor):
    first, second = np.random.default_rng(seed).normal(size=(2, 400))
    together = cfc_filter(channel(first + factor * second), 180).values
    apart = cfc_filter(channel(first), 180).values + factor * cfc_filter(channel(second), 180).values
    assert together == pytest.approx(apart, abs=1e-8)


def test_the_class_is_recorded_and_not_applied_twice():
    once = cfc_filter(channel(np.random.default_rng(0).normal(size=500)), 180)
    assert once.filter_class == 180
    assert cfc_filter(once, 180) is once
    assert cfc_filter(once, 60).filter_class == 60


def test_never_to_a_higher_class():
    with pytest.raises(InputError, match="already filtered to CFC 60; CFC 180 cannot be made"):
        cfc_filter(channel(np.zeros(500), filter_class=60), 180)


def test_the_rate_must_be_ten_times_the_class():
    with pytest.raises(InputError, match="sampled at 9900 Hz; CFC 1000 needs 10000 Hz"):
        cfc_filter(channel(np.zeros(500), rate_hz=9_900), 1000)
    assert cfc_filter(channel(np.zeros(500)), 1000).filter_class == 1000


def test_too_short_for_the_padding():
    with pytest.raises(InputError, match="has 100 samples"):
        cfc_filter(channel(np.zeros(100)), 60)


def test_only_the_four_classes():
    with pytest.raises(InputError, match="CFC 100 is not"):
        cfc_filter(channel(np.zeros(500)), 100)
