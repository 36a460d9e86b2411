"""Leave-one-out against really leaving one out."""

import numpy as np
import pytest
import torch

from worker.lossval.baselines import LeaveOneOut
from worker.lossval.baselines.loo import leave_one_out
from worker.lossval.baselines.ridge import RandomFeatures, Ridge, _best_penalty
from worker.lossval.problem import ValuationProblem


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


def normal(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def solve(Phi, targets, penalty):
    return torch.linalg.solve(
        Phi.T @ Phi + penalty * torch.eye(Phi.shape[1], dtype=torch.float64), Phi.T @ targets
    )


def without(n):
    return [[j for j in range(n) if j != i] for i in range(n)]


@pytest.mark.parametrize("columns", [1, 3])
def test_values_are_those_of_n_refits(generator, columns):
    Phi, Phi_validation = normal(generator, 25, 6), normal(generator, 9, 6)
    targets, truth = normal(generator, 25, columns), normal(generator, 9, columns)

    def error(rows):
        residuals = truth - Phi_validation @ solve(Phi[rows], targets[rows], 0.3)
        return float(residuals.square().sum(dim=1).mean())

    everything = error(list(range(25)))
    refits = [error(rows) - everything for rows in without(25)]
    np.testing.assert_allclose(leave_one_out(Phi, targets, Phi_validation, truth, 0.3), refits, atol=1e-12)


def test_in_an_additive_game_each_sample_is_worth_its_own_coordinate():
    # Row i alone measures coordinate i, so without it exactly that coordinate is predicted as 0.
    y = torch.tensor([[1.0], [-2.0], [0.5], [0.0]], dtype=torch.float64)
    identity = torch.eye(4, dtype=torch.float64)
    values = leave_one_out(identity, y, identity, y, 1e-9)
    np.testing.assert_allclose(values, y[:, 0].square() / 4, atol=1e-8)


def test_the_penalty_is_that_of_the_smallest_leave_one_out_error(generator):
    Phi = normal(generator, 30, 5)
    targets = Phi @ normal(generator, 5, 2) + normal(generator, 30, 2)
    error, penalty = _best_penalty(Phi, targets)

    def refit(value):
        left_out = [Phi[i] @ solve(Phi[kept], targets[kept], value) for i, kept in enumerate(without(30))]
        return float((targets - torch.stack(left_out)).square().mean())

    assert error == pytest.approx(refit(penalty))
    assert all(refit(30 * other) >= error - 1e-12 for other in 10.0 ** np.arange(-5, 1))


def test_random_features_approach_the_gaussian_kernel(generator, monkeypatch):
    monkeypatch.setattr("worker.lossval.baselines.ridge._RANDOM_FEATURES", 20_000)
    X = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)  # their distance 5 is the median distance
    cosines = RandomFeatures.draw(X, 1.0, generator)(X)[:, 3:]
    np.testing.assert_allclose(cosines @ cosines.T, [[1, np.exp(-0.5)], [np.exp(-0.5), 1]], atol=0.03)


def test_ridge_learns_what_no_line_follows(generator):
    X = normal(generator, 300, 2)
    targets = X[:, :1].abs()
    ridge = Ridge.select(X[:200], targets[:200], generator)
    coefficients = ridge.fit(ridge.features(X[:200]), targets[:200], torch.ones(200))
    error = (ridge.features(X) @ coefficients - targets)[200:].square().mean()
    assert float(error) < 0.1 * float(targets.var())


def test_wrong_labels_have_the_lowest_values(rng):
    X, X_validation = rng.normal(size=(200, 3)), rng.normal(size=(300, 3))
    y = np.sin(X).sum(axis=1)
    y[:10] += rng.choice([-4.0, 4.0], size=10)
    problem = ValuationProblem(X, y, X_validation, np.sin(X_validation).sum(axis=1), "regression")
    assert np.median(LeaveOneOut()(problem).rank[:10]) > 180
