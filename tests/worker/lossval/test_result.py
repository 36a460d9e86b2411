"""Ranks and the refusal of values that are not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lossval.errors import LossValError
from worker.lossval.result import LossValResult, TrainingCurve, rank_values


def result(values):
    array = np.array(values, dtype=np.float64)
    return LossValResult(array, array, array, array, array, 1.0, 0.5, TrainingCurve((), (), ()))


def test_rank_one_is_the_highest_value_and_ties_follow_the_rows():
    assert result([0.5, 2.0, 0.5, -1.0]).rank.tolist() == [2, 1, 3, 4]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50))
def test_ranks_are_a_permutation_in_which_values_never_rise(values):
    rank = rank_values(np.array(values))
    assert sorted(rank) == list(range(1, len(values) + 1))
    in_order = np.array(values)[np.argsort(rank)]
    assert (np.diff(in_order) <= 0).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(LossValError, match="diverged"):
        result([1.0, value])
