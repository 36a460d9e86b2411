"""LAVA: closed forms, invariants, and the gradient against finite differences."""

from dataclasses import replace

import numpy as np
import ot
import pytest
import torch

from worker.lossval.baselines import Lava
from worker.lossval.baselines.lava import _labelled_sets, _scale
from worker.lossval.problem import ValuationProblem
from worker.lossval.transport import TransportSettings

EXACT = TransportSettings(relative_epsilon=0.5, tolerance=1e-12, max_iterations=20_000)


def make_problem(task, rng, n=30, m=12):
    X, X_validation = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    if task == "regression":
        return ValuationProblem(X, rng.normal(size=n), X_validation, rng.normal(size=m), task)
    return ValuationProblem(X, np.arange(n) % 2.0, X_validation, np.arange(m) % 2.0, task)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_identical_sets_have_zero_values(rng, task):
    problem = make_problem(task, rng)
    same = replace(problem, X_validation=problem.X, y_validation=problem.y)
    np.testing.assert_allclose(Lava()(same).values, 0.0, atol=1e-6)


def test_points_that_all_coincide_have_zero_values():
    zeros = np.zeros((4, 2))
    problem = ValuationProblem(zeros, np.array([1.0, 1.0, 0.0, 1.0]), zeros, np.ones(4), "classification")
    np.testing.assert_array_equal(Lava()(problem).values, 0.0)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_values_are_the_calibrated_gradient_of_the_divergence(rng, task):
    """A pair of masses moved against each other changes the divergence as the values say."""
    problem = make_problem(task, rng)
    train, validation = _labelled_sets(problem, 1.0, torch.Generator().manual_seed(0))
    costs = train.cost(validation).numpy(), train.cost(train).numpy()
    epsilon = 0.5 * _scale(train.cost(validation))
    b = np.full(12, 1 / 12)

    def divergence(a):
        cross, own = (
            ot.bregman.sinkhorn_log(a, mass, cost, epsilon, numItermax=20_000, stopThr=1e-13)
            for mass, cost in ((b, costs[0]), (a, costs[1]))
        )
        return entropic(cross, a, b, costs[0]) - entropic(own, a, a, costs[1]) / 2

    def entropic(plan, a, mass, cost):
        return (plan * cost).sum() + epsilon * (plan * np.log(plan / (a[:, None] * mass))).sum()

    values = Lava(settings=EXACT)(problem).values
    step = 1e-5
    for i, j in ((0, 1), (4, 9), (20, 3)):
        moved = np.zeros(30)
        moved[i], moved[j] = step, -step
        slope = (divergence(1 / 30 + moved) - divergence(1 / 30 - moved)) / (2 * step)
        assert (values[j] - values[i]) * 29 / 30 == pytest.approx(slope, abs=1e-4)


def test_a_class_costs_as_much_as_its_features_are_away(rng):
    cloud = rng.normal(size=(20, 2))
    X = np.concatenate([cloud, cloud + 3.0])
    problem = ValuationProblem(X, np.repeat([0.0, 1.0], 20), X, np.repeat([0.0, 1.0], 20), "classification")
    train, validation = _labelled_sets(problem, 1.0, torch.Generator().manual_seed(0))
    labels = train.table[train.code][:, validation.code]
    assert labels[0, 0] == pytest.approx(0.0, abs=1e-9)
    assert labels[0, 30] == pytest.approx(3.0**2 / 2)  # |shift|^2 / (2 d), a shift is the optimal plan


@pytest.mark.parametrize("corrupted", ["X", "y"])
def test_corrupt_features_and_labels_have_low_values(rng, corrupted):
    problem = make_problem("regression", rng, n=300, m=100)
    for X, y in ((problem.X, problem.y), (problem.X_validation, problem.y_validation)):
        y[:] = X[:, 0]
    if corrupted == "X":
        problem.X[:15] += 4.0
    else:
        problem.y[:15] = np.where(problem.y[:15] > 0, -3.0, 3.0)
    assert Lava()(problem).rank[:15].mean() > 250


def test_anchors_stand_for_many_rows(rng):
    problem = make_problem("regression", rng, n=600, m=100)
    problem.X[:60] += 3.0
    whole = Lava()(problem).values
    anchored = Lava(settings=TransportSettings(max_anchors=300))(problem).values
    assert np.corrcoef(whole, anchored)[0, 1] > 0.95
