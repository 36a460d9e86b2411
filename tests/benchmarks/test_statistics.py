"""Means and intervals of paired repetitions, on numbers that can be worked out by hand."""

import math

import pytest

from benchmarks.statistics import Estimate, estimate, mean_and_interval


def test_the_interval_is_students():
    found = mean_and_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302653 * 1.0 / math.sqrt(3))


def test_draws_of_one_repetition_count_once():
    records = [{"repetition": r, "f1": f1} for r, f1 in ((0, 0.1), (0, 0.3), (1, 0.4), (1, 0.4))]
    assert estimate(records, "f1").mean == pytest.approx(0.3)
    assert estimate(records, "f1") == mean_and_interval([0.2, 0.4])


def test_one_repetition_has_no_interval():
    assert str(mean_and_interval([0.25])) == "0.250"
    assert str(Estimate(0.25, 0.012)) == "0.250 ± 0.012"
