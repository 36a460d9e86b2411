"""The ranking of pure chance and the prediction of the mean."""

import math

import numpy as np
import pytest

from worker.lossval.baselines import mean_predictor_rmse


def test_mean_predictor_is_off_by_the_standard_deviation_and_the_shift():
    train, y = np.array([1.0, 3.0]), np.array([4.0, 6.0])
    assert mean_predictor_rmse(train, train) == 1.0
    assert mean_predictor_rmse(train, y) == pytest.approx(math.sqrt(3**2 + 1))
