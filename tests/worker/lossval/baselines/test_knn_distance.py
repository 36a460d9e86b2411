"""The distance to the nearest neighbours on closed forms."""

import numpy as np
import pytest

from worker.lossval.baselines import knn_distance as module
from worker.lossval.baselines.knn_distance import knn_distance
from worker.lossval.errors import LossValError


def test_knn_distance_on_a_line():
    X = np.array([[0.0], [1.0], [3.0], [10.0]])
    np.testing.assert_allclose(knn_distance(X, 1), [1, 1, 2, 7], atol=1e-6)
    np.testing.assert_allclose(knn_distance(X, 2), [2, 1.5, 2.5, 8], atol=1e-6)


def test_knn_distance_of_duplicates_is_zero_and_blocks_do_not_matter(monkeypatch):
    X = np.tile(np.random.default_rng(0).normal(size=(20, 3)), (2, 1))
    np.testing.assert_allclose(knn_distance(X, 1), 0.0, atol=1e-6)
    whole = knn_distance(X, 3)
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 130)
    np.testing.assert_allclose(knn_distance(X, 3), whole, atol=1e-6)


@pytest.mark.parametrize("k", [0, 4])
def test_impossible_neighbours_are_refused(k):
    with pytest.raises(LossValError, match="smaller k"):
        knn_distance(np.zeros((4, 1)), k)
