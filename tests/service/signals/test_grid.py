import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InputError
from service.signals.grid import even_grid


@given(st.floats(1e-6, 1e-2), st.floats(-1, 1), st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_jitter_of_a_line_is_undone(interval_s, start_s, count, seed):
    jitter = np.random.default_rng(seed).uniform(-0.1, 0.1, count) * interval_s
    jitter[[0, -1]] = 0.0
    time_s = start_s + interval_s * np.arange(count) + jitter
    values, found_s, first_s = even_grid(time_s, 3.0 * time_s + 1.0)
    assert found_s == pytest.approx(interval_s, rel=1e-6)
    assert first_s == time_s[0]
    assert values == pytest.approx(3.0 * (first_s + found_s * np.arange(count)) + 1.0, abs=1e-9)


def test_even_times_leave_values_as_they_are():
    values = np.random.default_rng(0).normal(size=50)
    assert even_grid(np.arange(50) * 1e-4, values)[0] == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0], "at least 2"),
        ([0.0, 1.0, 1.0, 2.0], "do not increase: row 3"),
        ([0.0, 2.0, 1.0], "do not increase: row 3"),
        ([0.0, 1.0, 2.0, 4.0, 5.0, 6.0], "time step to row 4"),
    ],
)
def test_gaps_and_returns_are_named(times, message):
    with pytest.raises(InputError, match=message):
        even_grid(np.array(times), np.zeros(len(times)))
