import numpy as np
import pytest

from service.signals.crossing import first_index_at_or_above, first_time_at_or_above


def test_the_first_run_that_is_long_enough():
    values = np.array([0.0, 5.0, 5.0, 0.0, 5.0, 6.0, 7.0, 5.0])
    assert first_index_at_or_above(values, 5.0) == 1
    assert first_index_at_or_above(values, 5.0, samples=3) == 4
    assert first_index_at_or_above(values, 5.0, samples=5) is None
    assert first_index_at_or_above(values, 5.0, samples=9) is None


def test_the_time_lies_between_samples():
    times_s, values = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0])
    assert first_time_at_or_above(times_s, values, 3.0) == pytest.approx(1.5)
    assert first_time_at_or_above(times_s, values, -1.0) == 0.0
    assert first_time_at_or_above(times_s, values, 5.1) is None
