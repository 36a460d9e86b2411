"""KNN-Shapley against Shapley's definition, on games small enough for all subsets."""

import math
from itertools import combinations

import numpy as np
import pytest

from worker.lossval.baselines import KnnShapley
from worker.lossval.baselines import knn_shapley as module
from worker.lossval.errors import LossValError
from worker.lossval.problem import ValuationProblem


def make_problem(task, n=7, m=3, seed=0):
    rng = np.random.default_rng(seed)
    X, X_validation = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    if task == "regression":
        return ValuationProblem(X, rng.normal(size=n), X_validation, rng.normal(size=m), task)
    classes = min(n, 3)
    y, y_validation = np.arange(n) % classes, rng.integers(0, classes, m)
    return ValuationProblem(X, y.astype(float), X_validation, y_validation.astype(float), task)


def utility(problem, subset, neighbours):
    """Mean over the validation rows of v(S), from the definition."""
    total = 0.0
    for x, truth in zip(problem.X_validation, problem.y_validation, strict=True):
        distance = [np.square(problem.X[i] - x).sum() for i in subset]
        nearest = [subset[i] for i in np.argsort(distance, kind="stable")[:neighbours]]
        labels = problem.y[np.array(nearest, dtype=int)]
        if problem.task == "classification":
            total += (labels == truth).sum() / neighbours
        else:
            total -= (labels.sum() / neighbours - truth) ** 2
    return total / len(problem.X_validation)


def brute_force_shapley(problem, neighbours):
    n = len(problem.y)
    values = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            for subset in combinations(others, size):
                gain = utility(problem, sorted([*subset, i]), neighbours)
                gain -= utility(problem, list(subset), neighbours)
                values[i] += gain / (n * math.comb(n - 1, size))
    return values


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("neighbours", [1, 2, 3, 6, 7])
def test_values_are_shapley_values(task, neighbours):
    problem = make_problem(task)
    values = KnnShapley(neighbours)(problem).values
    np.testing.assert_allclose(values, brute_force_shapley(problem, neighbours), atol=1e-12)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_two_samples_are_a_game_too(task):
    problem = make_problem(task, n=2)
    values = KnnShapley(2)(problem).values
    np.testing.assert_allclose(values, brute_force_shapley(problem, 2), atol=1e-12)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_values_sum_to_the_utility_of_all(task):
    problem = make_problem(task, n=300, m=20)
    values = KnnShapley(10)(problem).values
    whole = utility(problem, list(range(300)), 10) - utility(problem, [], 10)
    assert values.sum() == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_equal_samples_have_equal_values(task):
    problem = make_problem(task, n=40)
    problem.X[7], problem.y[7] = problem.X[31], problem.y[31]
    values = KnnShapley(5)(problem).values
    assert values[7] == pytest.approx(values[31], abs=1e-12)


def test_more_neighbours_than_samples_are_all_samples():
    problem = make_problem("regression")
    np.testing.assert_array_equal(KnnShapley(50)(problem).values, KnnShapley(7)(problem).values)


def test_blocks_of_validation_rows_do_not_matter(monkeypatch):
    problem = make_problem("regression", n=50, m=20)
    whole = KnnShapley()(problem).values
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 150)
    np.testing.assert_allclose(KnnShapley()(problem).values, whole, atol=1e-14)


def test_no_neighbours_are_refused():
    with pytest.raises(LossValError, match="neighbours must be at least 1"):
        KnnShapley(0)
