"""Losses on closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from worker.lossval.errors import LossValError
from worker.lossval.losses import cross_entropy, normalize_weights, squared_error, weighted_loss


def test_squared_error_of_each_member():
    outputs = torch.tensor([[[1.0], [2.0]], [[0.0], [5.0]]])
    assert squared_error(outputs, torch.tensor([0.0, 4.0])).tolist() == [[1.0, 4.0], [0.0, 1.0]]


def test_cross_entropy_of_known_probabilities():
    probabilities = torch.tensor([[[0.2, 0.8], [0.5, 0.5]], [[0.9, 0.1], [0.25, 0.75]]], dtype=torch.float64)
    losses = cross_entropy(probabilities.log(), torch.tensor([1, 0]))
    expected = [[-math.log(0.8), -math.log(0.5)], [-math.log(0.1), -math.log(0.25)]]
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64))


def test_weighted_loss_is_the_weighted_mean_and_ignores_a_common_factor():
    losses = torch.tensor([[1.0, 4.0, 7.0]])
    weights = torch.tensor([1.0, 2.0, 0.0])
    assert weighted_loss(losses, weights).item() == pytest.approx((1 + 2 * 4) / 3)
    assert weighted_loss(losses, 10 * weights).item() == pytest.approx(3.0)


def test_gradient_in_a_weight_is_the_excess_of_its_loss_over_the_mean():
    losses = torch.tensor([[1.0, 4.0, 7.0]], dtype=torch.float64)
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    weighted_loss(losses, weights).sum().backward()
    torch.testing.assert_close(weights.grad, (losses[0] - 4.0) / 3)


def test_weights_of_each_member_have_mean_one():
    weights = normalize_weights(torch.tensor([[1.0, 3.0], [5.0, 0.0]]))
    assert weights.tolist() == [[0.5, 1.5], [2.0, 0.0]]


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, math.nan], [1.0, math.inf]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(LossValError, match="data weights"):
        normalize_weights(torch.tensor(weights))
