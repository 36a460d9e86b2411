"""Data-OOB on cases whose result is known."""

import numpy as np
import pytest
import torch

from worker.lossval.baselines import DataOob
from worker.lossval.baselines.data_oob import out_of_bag_score
from worker.lossval.errors import LossValError
from worker.lossval.problem import ValuationProblem


def problem_of(X, y, task):
    return ValuationProblem(X, y, X[:0], None, task)


def two_clouds(rng, wrong):
    """Two far clouds of 20, one class each, the first `wrong` labels of the first exchanged."""
    X = np.concatenate([rng.normal(size=(20, 2)) - 8, rng.normal(size=(20, 2)) + 8]) / 8
    y = np.repeat([0.0, 1.0], 20)
    y[:wrong] = 1.0
    return problem_of(X, y, "classification")


def test_a_label_that_no_bag_can_predict_is_worth_nothing_and_the_others_one(rng):
    values = DataOob()(two_clouds(rng, wrong=2)).values
    np.testing.assert_array_equal(values[:2], 0.0)
    np.testing.assert_array_equal(values[2:], 1.0)


def test_a_wrong_number_costs_its_squared_distance_from_the_others(rng):
    X = rng.normal(size=(400, 2))
    y = 0.6 * X[:, 0] - 0.8 * X[:, 1]
    y[0] += 3.0
    result = DataOob()(problem_of(X, y, "regression"))
    assert result.values[0] == pytest.approx(-9.0, rel=0.1)
    assert result.rank[0] == 400
    assert np.median(result.values) > -0.02


def test_scores_are_accuracy_and_negative_squared_error():
    prediction = torch.tensor([[0.2, 0.8], [0.9, 0.1]])
    assert out_of_bag_score(prediction, torch.tensor([1.0, 1.0]), "classification").tolist() == [1.0, 0.0]
    prediction = torch.tensor([[0.0], [1.0]])
    assert out_of_bag_score(prediction, torch.tensor([0.5, 3.0]), "regression").tolist() == [-0.25, -4.0]


def test_mean_and_spread_are_those_of_the_bags_that_lack_a_sample(rng):
    """Two samples: every bag that lacks one holds the other twice, so all its scores are equal."""
    result = DataOob()(problem_of(rng.normal(size=(2, 3)), np.array([-1.0, 1.0]), "regression"))
    np.testing.assert_allclose(result.spread, 0.0, atol=1e-9)
    assert (result.values < -1.0).all()  # each is predicted nearer to the other than to itself


def test_too_few_bags_to_leave_out_everything_are_refused(rng):
    with pytest.raises(LossValError, match="draw more than 1 bags"):
        DataOob(bags=1)(two_clouds(rng, wrong=0))
    with pytest.raises(LossValError, match="bags must be at least 1"):
        DataOob(bags=0)
