"""Transport: closed forms, exactness of the gradient, invariants, and the rule for large sets."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch

from worker.lossval import transport
from worker.lossval.errors import LossValError
from worker.lossval.transport import (
    TransportSettings,
    ground_cost,
    isolation_potential,
    shift_strength,
    solve_transport,
)

EXACT = TransportSettings(tolerance=1e-13, max_iterations=20_000)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int, d: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(seed), dtype=torch.float64) + shift


def solve(X, weights, target, settings=EXACT):
    return solve_transport(X, weights, target, generator=generator(), settings=settings)


def test_ground_cost_is_half_the_squared_distance_over_the_number_of_columns():
    assert ground_cost(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])).item() == pytest.approx(6.25)


def test_identical_sets_have_no_divergence_and_no_gradient_of_it():
    X = points(40, 3)
    weights = torch.rand(40, generator=generator(1), dtype=torch.float64) + 0.1
    copies = X[torch.multinomial(weights, 1, generator=generator())]
    same = solve(X, torch.ones(40), X)
    assert same.divergence == pytest.approx(0.0, abs=1e-8)
    torch.testing.assert_close(
        same.divergence_gradient, torch.zeros(40, dtype=torch.float64), atol=1e-7, rtol=0
    )
    assert solve(X, weights, copies).divergence > 0.01


@pytest.mark.parametrize("distance", [0.5, 2.0])
def test_divergence_of_a_translation_is_half_its_square(distance):
    # For |x - y|^2 / 2 the means separate from the rest of the problem at any regularisation.
    X = points(30, 1)
    assert solve(X, torch.ones(30), X + distance).divergence == pytest.approx(distance**2 / 2, rel=1e-6)


def test_with_little_regularisation_the_cost_is_that_of_sorted_points_in_one_dimension():
    X, target = points(20, 1), points(20, 1, seed=1, shift=1.0)
    solved = solve(X, torch.ones(20), target, TransportSettings(2e-3, 1e-7, 20_000))
    sorted_cost = (X.sort(dim=0).values - target.sort(dim=0).values).square().mean() / 2
    assert solved.cost == pytest.approx(float(sorted_cost), rel=0.02)


def test_cost_agrees_with_exact_transport_in_several_dimensions():
    X, target = points(40, 4), points(25, 4, seed=1, shift=0.5)
    weights = torch.rand(40, generator=generator(3), dtype=torch.float64) + 0.1
    exact = ot.emd2((weights / weights.sum()).numpy(), ot.unif(25), ground_cost(X, target).numpy())
    solved = solve(X, weights, target, TransportSettings(2e-3, 1e-8, 50_000))
    assert solved.cost == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(("name", "value"), [("gradient", "cost"), ("divergence_gradient", "divergence")])
def test_gradient_agrees_with_finite_differences(name, value):
    X, target = points(12, 3), points(9, 3, seed=1, shift=0.3)
    weights = torch.rand(12, generator=generator(2), dtype=torch.float64) + 0.2
    weights /= weights.sum()
    gradient = getattr(solve(X, weights, target), name)
    step = 1e-5
    for index in range(12):
        # Along the simplex: mass goes to one sample and is taken from all in proportion.
        direction = -weights.clone()
        direction[index] += 1.0
        up = getattr(solve(X, weights + step * direction, target), value)
        down = getattr(solve(X, weights - step * direction, target), value)
        assert float(gradient @ direction) == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-7)


def test_gradient_is_centred_and_points_away_from_the_target():
    X, target = points(60, 2), points(40, 2, seed=1, shift=2.0)
    solved = solve(X, torch.ones(60), target)
    assert float(solved.gradient.mean()) == pytest.approx(0.0, abs=1e-12)
    near = X.sum(dim=1).argsort(descending=True)[:10]
    far = X.sum(dim=1).argsort()[:10]
    assert solved.divergence_gradient[near].max() < solved.divergence_gradient[far].min()


def test_potential_extends_to_new_points():
    X, target = points(50, 2), points(30, 2, seed=1, shift=1.0)
    solved = solve(X, torch.ones(50), target)
    on_training = solved.target.potential_at(X)
    torch.testing.assert_close(on_training - on_training.mean(), solved.gradient)
    near, far = solved.target.potential_at(torch.tensor([[1.0, 1.0], [-4.0, -4.0]]))
    assert near < far


def test_weights_have_no_scale_and_the_cost_follows_the_scale_of_the_features():
    X, target = points(30, 3), points(20, 3, seed=1, shift=1.0)
    weights = torch.rand(30, generator=generator(4), dtype=torch.float64) + 0.1
    base = solve(X, weights, target)
    assert solve(X, 7 * weights, target).cost == pytest.approx(base.cost)
    assert solve(10 * X, weights, 10 * target).cost == pytest.approx(100 * base.cost)


def test_a_sample_without_weight_takes_no_part_but_has_a_gradient():
    X, target = points(20, 2), points(15, 2, seed=1)
    weights = torch.ones(20)
    weights[3] = 0.0
    others = torch.arange(20) != 3
    full, without = solve(X, weights, target), solve(X[others], torch.ones(19), target)
    assert full.cost == pytest.approx(without.cost)
    torch.testing.assert_close(full.gradient[others], without.gradient)
    assert bool(torch.isfinite(full.gradient).all())


@pytest.mark.parametrize(
    "weights", [[0.0] * 5, [1, 1, 1, 1, -1], [1, 1, 1, 1, math.nan], [1, 1, 1, 1, math.inf], [1, 1, 1, 1]]
)
def test_impossible_weights_are_refused(weights):
    with pytest.raises(LossValError, match="data weights"):
        solve(points(5, 2), torch.tensor(weights), points(4, 2))


def test_empty_or_different_sets_are_refused():
    with pytest.raises(LossValError, match="non-empty"):
        solve(points(5, 2), torch.ones(5), points(0, 2))
    with pytest.raises(LossValError, match="same columns"):
        solve(points(5, 2), torch.ones(5), points(4, 3))


def test_points_that_all_coincide_cost_nothing():
    X = torch.full((12, 3), 0.7)
    solved = solve(X, torch.ones(12), X[:4])
    assert (solved.cost, solved.divergence) == (0.0, 0.0)
    assert solved.gradient.tolist() == [0.0] * 12
    assert isolation_potential(X, torch.ones(12), generator=generator()).tolist() == [0.0] * 12


def test_isolation_is_highest_for_the_lone_point():
    X = points(80, 4)
    X[17] += 6.0
    isolation = isolation_potential(X, torch.ones(80), generator=generator())
    assert int(isolation.argmax()) == 17


def test_isolation_does_not_saturate():
    # With its own mass a lone point's potential would stop at eps/2 log n however far it is.
    X = points(50, 2)
    heights = []
    for distance in (10.0, 20.0):
        X[0] = distance
        isolation = isolation_potential(X, torch.ones(50), generator=generator())
        heights.append(float(isolation[0]))
    assert heights[1] > 3 * heights[0]


def test_isolation_needs_two_weighted_samples():
    with pytest.raises(LossValError, match="fewer than two"):
        isolation_potential(points(3, 2), torch.tensor([1.0, 0.0, 0.0]), generator=generator())


def test_above_the_anchor_limit_the_result_stays_close_and_every_point_has_one():
    X, target = points(1200, 3), points(900, 3, seed=1, shift=0.7)
    full = solve(X, torch.ones(1200), target, TransportSettings(max_anchors=1200))
    few = solve(X, torch.ones(1200), target, TransportSettings(max_anchors=300))
    assert few.gradient.shape == (1200,)
    assert few.cost == pytest.approx(full.cost, rel=0.1)
    assert torch.corrcoef(torch.stack([few.gradient, full.gradient]))[0, 1] > 0.97


def test_blocks_do_not_change_the_result(monkeypatch):
    X = points(100, 3)
    whole = isolation_potential(X, torch.ones(100), generator=generator())
    monkeypatch.setattr(transport, "_BLOCK_ENTRIES", 700)
    torch.testing.assert_close(isolation_potential(X, torch.ones(100), generator=generator()), whole)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.0, 0.1), (3.0, 0.6, 1.0)])
def test_only_what_chance_does_not_explain_is_a_shift(shift, low, high):
    rng = np.random.default_rng(0)
    settings = TransportSettings(relative_epsilon=0.5)
    X, target = torch.from_numpy(rng.normal(size=(400, 6))), torch.from_numpy(rng.normal(size=(80, 6)))
    target[:, 0] += shift
    generator = torch.Generator().manual_seed(0)
    divergence = solve_transport(
        X, torch.ones(400), target, generator=generator, settings=settings
    ).divergence
    strength = shift_strength(X, target, divergence, generator=generator, settings=settings)
    assert low <= strength <= high


def test_identical_points_and_two_rows_have_no_shift():
    X = torch.ones(2, 3, dtype=torch.float64)
    assert shift_strength(X, X, 0.0, generator=torch.Generator()) == 0.0
