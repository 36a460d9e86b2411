"""Ranks and the refusal of values that are not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from worker.lossval.errors import LossValError
from worker.lossval.result import DataValues, rank_values, spearman


def result(values):
    array = np.array(values, dtype=np.float64)
    return DataValues(values=array, spread=np.abs(array))


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


def test_a_component_of_another_length_is_refused():
    with pytest.raises(LossValError, match="value_transport"):
        DataValues(values=np.zeros(3), spread=np.zeros(3), value_transport=np.zeros(2))


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=40), st.randoms(use_true_random=False))
def test_spearman_is_what_scipy_says(values, random):
    a = np.array(values, dtype=np.float64)
    b = np.array(random.sample(values, len(values)), dtype=np.float64)
    constant = np.ptp(a) == 0
    assert spearman(a, b) == pytest.approx(0.0 if constant else spearmanr(a, b).statistic)
    assert spearman(a, -a) == pytest.approx(0.0 if constant else -1.0)
