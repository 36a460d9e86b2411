"""Out-of-fold loss: nothing learns from the sample that it judges."""

import numpy as np
import pytest

from worker.lossval.baselines import OutOfFoldLoss
from worker.lossval.config import LossValConfig
from worker.lossval.problem import ValuationProblem

SHORT = LossValConfig(members=4, hidden=(16,), epochs=100)


def problem_of(X, y, task):
    return ValuationProblem(X, y, X[:0], None, task)


def test_a_wrong_number_costs_its_distance_although_it_could_be_learned_by_heart(rng):
    X = rng.normal(size=(200, 2))
    y = 0.6 * X[:, 0] - 0.8 * X[:, 1]
    y[0] += 3.0
    result = OutOfFoldLoss(SHORT)(problem_of(X, y, "regression"))
    assert result.values[0] == pytest.approx(-3.0, abs=0.5)
    assert result.rank[0] == 200


def test_a_wrong_class_has_the_lowest_value(rng):
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] > 0).astype(float)
    far = int(np.argmax(X[:, 0]))
    y[far] = 0.0
    result = OutOfFoldLoss(SHORT)(problem_of(X, y, "classification"))
    assert result.rank[far] == 200
    assert np.median(result.values) > -0.1


def test_the_spread_is_zero_where_one_network_judges_and_positive_where_two_do(rng):
    X = rng.normal(size=(50, 2))
    problem = problem_of(X, X[:, 0], "regression")
    one = OutOfFoldLoss(LossValConfig(members=4, epochs=5))(problem)
    two = OutOfFoldLoss(LossValConfig(members=8, epochs=5))(problem)
    np.testing.assert_array_equal(one.spread, 0.0)
    assert (two.spread > 0).all()


def test_minibatches_value_every_sample(rng):
    X = rng.normal(size=(100, 2))
    config = LossValConfig(members=4, hidden=(16,), epochs=60, minibatch_size=32)
    result = OutOfFoldLoss(config)(problem_of(X, X[:, 0], "regression"))
    assert np.median(result.values) > -0.2
