"""Baselines on closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worker.lossval import baselines
from worker.lossval.baselines import knn_distance, mean_predictor_rmse, random_values
from worker.lossval.errors import LossValError


def test_mean_predictor_is_off_by_the_standard_deviation_and_the_shift():
    train, y = np.array([1.0, 3.0]), np.array([4.0, 6.0])
    assert mean_predictor_rmse(train, train) == 1.0
    assert mean_predictor_rmse(train, y) == pytest.approx(math.sqrt(3**2 + 1))


def test_random_values_come_from_the_generator():
    one, same = (random_values(5, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_knn_distance_on_a_line():
    X = np.array([[0.0], [1.0], [3.0], [10.0]])
    np.testing.assert_allclose(knn_distance(X, 1), [1, 1, 2, 7], atol=1e-6)
    np.testing.assert_allclose(knn_distance(X, 2), [2, 1.5, 2.5, 8], atol=1e-6)


def test_knn_distance_of_duplicates_is_zero_and_blocks_do_not_matter(monkeypatch):
    X = np.tile(np.random.default_rng(0).normal(size=(20, 3)), (2, 1))
    np.testing.assert_allclose(knn_distance(X, 1), 0.0, atol=1e-6)
    whole = knn_distance(X, 3)
    monkeypatch.setattr(baselines, "_BLOCK_ENTRIES", 130)
    np.testing.assert_allclose(knn_distance(X, 3), whole, atol=1e-6)


@pytest.mark.parametrize("k", [0, 4])
def test_impossible_neighbours_are_refused(k):
    with pytest.raises(LossValError, match="smaller k"):
        knn_distance(np.zeros((4, 1)), k)
