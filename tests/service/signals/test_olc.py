import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InputError
from service.signals.channel import Channel
from service.signals.olc import occupant_load_criterion


def constant_pulse(deceleration_g, interval_s=1e-4, before_s=0.02, after_s=0.3, unit="g"):
    time_s = np.arange(round(-before_s / interval_s), round(after_s / interval_s) + 1) * interval_s
    return Channel(np.where(time_s >= 0, -deceleration_g, 0.0), interval_s, -before_s, unit)


@settings(max_examples=40, deadline=None)
@given(deceleration_g=st.floats(8, 60), speed_mps=st.floats(5, 30))
def test_constant_deceleration_has_a_closed_form(deceleration_g, speed_mps):
    # Free flight: a t1^2 / 2 = 65 mm. Ramp: a t1 (t2 - t1) / 2 = 235 mm. OLC = a t2 / (t2 - t1).
    result = occupant_load_criterion(constant_pulse(deceleration_g), speed_mps)
    a = deceleration_g * 9.80665
    t1_s = math.sqrt(2 * 0.065 / a)
    t2_s = t1_s + 2 * 0.235 / (a * t1_s)
    assert result.t1_ms == pytest.approx(1e3 * t1_s, abs=0.06)  # the step at t = 0 is half a sample wide
    assert result.t2_ms == pytest.approx(1e3 * t2_s, abs=0.06)
    assert result.olc_g == pytest.approx(deceleration_g * (1 + 0.13 / 0.47), rel=2e-3)


def test_times_lie_between_samples():
    fine = occupant_load_criterion(constant_pulse(25.0, 1e-5), 15.0)
    coarse = occupant_load_criterion(constant_pulse(25.0, 5e-4), 15.0)
    assert coarse.olc_g == pytest.approx(fine.olc_g, rel=1e-3)
    assert (coarse.t1_ms / 0.5) % 1 > 0.05  # not on the 0.5 ms grid


def test_the_unit_and_polarity_do_not_matter():
    expected = occupant_load_criterion(constant_pulse(25.0), 15.0)
    other = constant_pulse(25.0).to_unit("mm/ms2")
    inverted = other.with_values(-other.values)
    for pulse in (other, inverted):
        assert occupant_load_criterion(pulse, 15.0).olc_g == pytest.approx(expected.olc_g)


def test_a_record_that_ends_early_has_no_olc_and_not_0():
    first = occupant_load_criterion(constant_pulse(25.0, after_s=0.04), 15.0)
    assert (first.olc_g, first.t2_ms) == (None, None)
    assert first.t1_ms == pytest.approx(23.0, abs=0.1)
    none = occupant_load_criterion(constant_pulse(25.0, after_s=0.01), 15.0)
    assert (none.olc_g, none.t1_ms, none.t2_ms) == (None, None, None)
    before = Channel(np.zeros(50), 1e-4, -0.02, "g")
    assert occupant_load_criterion(before, 15.0).olc_g is None


@pytest.mark.parametrize("speed_mps", [0.0, -3.0, math.nan, math.inf])
def test_a_crash_begins_with_speed(speed_mps):
    with pytest.raises(InputError, match="initial speed"):
        occupant_load_criterion(constant_pulse(25.0), speed_mps)
