import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InputError
from service.signals.channel import Channel
from service.signals.integration import forward_positive, remove_offset, velocity


def channel(values, start_s=-0.01, unit="m/s2", interval_s=1e-4):
    return Channel(np.asarray(values, dtype=float), interval_s, start_s, unit)


def test_offset_is_the_mean_before_contact_only():
    subject = remove_offset(channel([2.0, 4.0, 103.0, 203.0], start_s=-2e-4))
    assert subject.values == pytest.approx([-1.0, 1.0, 100.0, 200.0])


def test_nothing_to_remove_without_pretrigger_data():
    subject = channel([5.0, 6.0], start_s=0.0)
    assert remove_offset(subject) is subject


def test_rounding_does_not_put_the_contact_sample_before_contact():
    subject = channel([0.0, 0.0, 0.0, 9.0], start_s=-0.3 - 1e-15, interval_s=0.1)
    assert -1e-12 < subject.time_s[3] < 0
    assert remove_offset(subject).values[3] == 9.0


@settings(max_examples=30, deadline=None)
@given(
    slope=st.floats(-1e4, 1e4), level=st.floats(-300, 300), shift=st.floats(0.0, 0.99), v0=st.floats(-30, 30)
)
def test_exact_for_a_linear_acceleration_on_any_grid(slope, level, shift, v0):
    subject = channel(np.zeros(300), start_s=-(100 + shift) * 1e-4)
    time_s = subject.time_s
    speed = velocity(subject.with_values(level + slope * time_s), v0)
    after = time_s >= 0
    assert speed[after] == pytest.approx(v0 + (level * time_s + slope * time_s**2 / 2)[after], abs=1e-9)
    assert speed[~after] == pytest.approx(np.full((~after).sum(), v0))


def test_units_are_converted():
    assert velocity(channel(np.full(101, -1.0), 0.0, "g", 0.01), 10.0)[-1] == pytest.approx(10 - 9.80665)


def test_a_record_that_starts_late_is_integrated_from_its_start():
    assert velocity(channel([1.0, 1.0, 1.0], start_s=0.5, interval_s=1.0), 2.0) == pytest.approx([2, 3, 4])


def test_a_record_that_ends_before_contact_changes_no_speed():
    assert velocity(channel([50.0, 50.0], start_s=-0.01), 8.0) == pytest.approx([8.0, 8.0])


def test_only_accelerations():
    with pytest.raises(InputError, match="not a known unit"):
        velocity(channel([0.0, 1.0], unit="mm"), 1.0)


def test_a_car_that_gains_speed_in_a_crash_is_turned():
    braking = channel(np.full(50, -30.0), 0.0)
    same, turned = forward_positive(braking)
    assert same is braking
    assert not turned
    upright, turned = forward_positive(braking.with_values(-braking.values))
    assert turned
    assert upright.values == pytest.approx(braking.values)
