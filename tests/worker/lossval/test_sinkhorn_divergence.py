"""The published divergence: golden vectors, a plain loop over the definition, finite differences, invariants."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.lossval import sinkhorn_divergence as module
from worker.lossval.published import cross_entropies, objective, squared_errors
from worker.lossval.sinkhorn_divergence import BLUR, ValidationSide

GOLDEN = Path(__file__).parents[4] / "shared/data/lossval_golden.npz"
CASES = [
    "reg_ones_32x100",
    "reg_spread_32x100",
    "reg_spread_shift_32x100",
    "reg_equalmass_64x64",
    "reg_spread_500x100",
    "cls_spread_128x100",
    "cls_equalmass_40x80",
]
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_file(), reason="the golden vectors are not beside the repository (../shared/data)"
)


def points(*shape, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, dtype=torch.float64, generator=generator)


def plain_divergence(x, w, y, diameter):
    """The definition, sample by sample, with nothing shared with the implementation.

    Returns the potentials' differences on x and y, and the divergence.
    """
    x, w, y = x.numpy(), w.numpy(), y.numpy()
    ones = np.ones(len(y))
    temperatures = [diameter**2]
    exponents = np.arange(2 * np.log(diameter), 2 * np.log(BLUR), 2 * np.log(0.5))
    temperatures += [*np.exp(exponents), BLUR**2]

    def soft_minimum(eps, of, at, masses, potential):
        result = np.empty(len(at))
        for i, point in enumerate(at):
            costs = 0.5 * np.sum((of - point) ** 2, axis=1)
            # geomloss's logarithm of a mass that is not positive is -100,000.
            log_masses = np.where(masses > 0, np.log(np.where(masses > 0, masses, 1.0)), -100_000.0)
            exponent = log_masses + (potential - costs) / eps
            top = exponent.max()
            result[i] = -eps * (top + np.log(np.sum(np.exp(exponent - top))))
        return result

    def solve(p, a, q, b):
        eps = temperatures[0]
        f = soft_minimum(eps, q, p, b, 0.0 * b)
        g = soft_minimum(eps, p, q, a, 0.0 * a)
        for eps in temperatures:
            new_f, new_g = soft_minimum(eps, q, p, b, g), soft_minimum(eps, p, q, a, f)
            f, g = (f + new_f) / 2, (g + new_g) / 2
        return soft_minimum(eps, q, p, b, g), soft_minimum(eps, p, q, a, f)

    f_ba, g_ab = solve(x, w, y, ones)
    f_aa, _ = solve(x, w, x, w)
    g_bb, _ = solve(y, ones, y, ones)
    return f_ba - f_aa, float(w @ (f_ba - f_aa) + np.sum(g_ab - g_bb))


@needs_golden
@pytest.mark.parametrize("case", CASES)
def test_golden_vectors(case):
    """Value and gradients of the official loss functions, 1e-6 relative, float64."""
    with np.load(GOLDEN) as file:
        golden = {
            key.split("/")[1]: torch.tensor(file[key]) for key in file.files if key.startswith(case + "/")
        }
    side = ValidationSide(golden["X_val"])
    diameter = side.diameters(golden["X_train"]).max()
    torch.testing.assert_close(diameter, golden["diameter"], rtol=1e-12, atol=0)
    divergence = side.divergence(golden["X_train"][None], golden["weight"][None], diameter[None])
    prediction = golden["prediction"][None].requires_grad_()
    if case.startswith("reg"):
        losses = squared_errors(prediction, golden["y"].T)
    else:
        losses = cross_entropies(prediction, golden["y"].argmax(dim=1)[None])
    parts = objective(losses, golden["weight"][None], divergence)
    parts.value.sum().backward()
    gradient = parts.target_gradient + parts.transport_gradient
    for found, expected in (
        (divergence.value[0], golden["sinkhorn_divergence"]),
        (divergence.gradient[0], golden["grad_sinkhorn_weight"]),
        (parts.value[0].detach(), golden["loss"]),
        (gradient[0].detach(), golden["grad_weight"]),
        (prediction.grad[0], golden["grad_prediction"]),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()) * 1e-3)


def test_it_is_the_definition():
    """Members with different numbers of temperatures, an own validation set, and negative weights."""
    y = points(9, 3, seed=1)
    side = ValidationSide(y)
    X = torch.stack([points(6, 3, seed=2), 4.0 * points(6, 3, seed=3), 0.2 * points(6, 3, seed=4)])
    weights = torch.tensor([[1.0, 0.3, 2.0, 0.7, 1.1, 0.9], [1.0] * 6, [-0.5, 1.0, 0.0, 0.4, 1.2, 0.1]])
    weights = weights.double()
    diameters = torch.stack([side.diameters(x).max() for x in X])
    assert len({math.floor(math.log(d / BLUR, 2)) for d in diameters.tolist()}) > 1
    found = side.divergence(X, weights, diameters)
    for k, diameter in enumerate(diameters.tolist()):
        gradient, value = plain_divergence(X[k], weights[k], y, diameter)
        np.testing.assert_allclose(found.gradient[k], gradient, rtol=1e-9, atol=1e-9)
        assert float(found.value[k]) == pytest.approx(value, rel=1e-9)


def test_both_ways_to_iterate_agree():
    """Multiplied kernels and logarithms, for cross and symmetric problems."""
    x, y, w = points(3, 7, 4), points(3, 5, 4, seed=1), points(3, 7, seed=2).exp()
    cost = 0.5 * torch.cdist(x, y).square()
    own = 0.5 * torch.cdist(x, x).square()
    schedule = module._Schedule.of(torch.tensor([3.0, 8.0, 20.0], dtype=torch.float64))
    for problem, b in ((cost, torch.ones(3, 5, dtype=torch.float64)), (own, None)):
        fast = module._multiplied(problem, w, b, schedule)
        slow = module._by_logarithms(problem, w, b, schedule)
        for found, expected in zip(fast, slow, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_one_point_against_one_point_has_a_closed_form():
    """Masses of 1 at distance r: f + g = c = r^2 / 2 holds from the first averaged step on, self terms are 0."""
    side = ValidationSide(torch.tensor([[3.0, 4.0]], dtype=torch.float64))
    X = torch.zeros(1, 1, 2, dtype=torch.float64)
    found = side.divergence(X, torch.ones(1, 1, dtype=torch.float64), side.diameters(X[0]))
    assert float(found.value) == pytest.approx(12.5)
    assert float(found.cost) == pytest.approx(12.5)


def test_the_same_points_with_the_same_masses_are_at_distance_zero():
    y = points(20, 3)
    side = ValidationSide(y)
    found = side.divergence(y[None], torch.ones(1, 20, dtype=torch.float64), side.diameters(y).max()[None])
    assert abs(float(found.value)) < 1e-10
    assert float(found.gradient.abs().max()) < 1e-10


def test_neither_the_order_nor_a_shift_of_all_points_matters():
    x, y, w = points(1, 12, 3), points(15, 3, seed=1), points(1, 12, seed=2).exp()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    diameter = ValidationSide(y).diameters(x[0]).max()[None]
    plain = ValidationSide(y).divergence(x, w, diameter)
    shifted = ValidationSide(y + 2.0).divergence(x[:, order] + 2.0, w[:, order], diameter)
    torch.testing.assert_close(shifted.value, plain.value, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(shifted.gradient, plain.gradient[:, order], rtol=1e-8, atol=1e-8)


def test_the_gradient_is_that_of_the_converged_divergence():
    """With equal masses and a blur as wide as the data few iterations suffice: then finite differences hold.

    The mass moved between two points keeps the total, so that a transport exists.
    """
    x, y = 0.02 * points(1, 6, 2), 0.02 * points(6, 2, seed=1)
    side = ValidationSide(y)
    diameter = side.diameters(x[0]).max()[None]
    w = torch.ones(1, 6, dtype=torch.float64)
    found = side.divergence(x, w, diameter)
    shift = torch.zeros_like(w)
    shift[0, 0], shift[0, 3] = 1e-4, -1e-4
    up, down = (side.divergence(x, w + sign * shift, diameter).value for sign in (1, -1))
    numeric = float(up - down) / 2e-4
    assert numeric == pytest.approx(float(found.gradient[0, 0] - found.gradient[0, 3]), rel=0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("scale", "weights"),
    [(1.0, [-1.0, -2.0, 0.0, -0.1]), (5000.0, [1.0, 1.0, 1.0, 1.0]), (300.0, [1.0, -1.0, 2.0, -3.0])],
    ids=["no positive weight", "huge diameter", "negative weights far apart"],
)
def test_what_overflows_a_kernel_is_still_solved(scale, weights):
    x, y = points(1, 4, 2, scale=scale), points(5, 2, seed=1)
    side = ValidationSide(y)
    w = torch.tensor([weights], dtype=torch.float64)
    diameter = side.diameters(x[0]).max()[None]
    found = side.divergence(x, w, diameter)
    assert bool(torch.isfinite(found.value).all() and torch.isfinite(found.gradient).all())
    gradient, value = plain_divergence(x[0], w[0], y, float(diameter))
    np.testing.assert_allclose(found.gradient[0], gradient, rtol=1e-8)
    assert float(found.value) == pytest.approx(value, rel=1e-8)


def test_minibatches_without_mass_are_solved_without_logarithms(monkeypatch):
    """Late in a published run most weights can be negative: that must be neither wrong nor slow."""
    monkeypatch.setattr(module, "_by_logarithms", None)
    X, y = points(2, 4, 3), points(5, 3, seed=1)
    w = torch.tensor([[-1.0, -0.2, 0.0, -3.0], [1.0, -0.2, 0.5, 0.3]], dtype=torch.float64)
    side = ValidationSide(y)
    diameters = torch.stack([side.diameters(x).max() for x in X])
    found = side.divergence(X, w, diameters)
    for k in range(2):
        gradient, value = plain_divergence(X[k], w[k], y, float(diameters[k]))
        np.testing.assert_allclose(found.gradient[k], gradient, rtol=1e-9)
        assert float(found.value[k]) == pytest.approx(value, rel=1e-9)


def test_points_that_all_coincide_leave_the_surplus_mass_only():
    """Zero costs: each side's soft minimum is -eps log of the other side's mass, wherever the points are."""
    side = ValidationSide(torch.zeros(5, 3, dtype=torch.float64))
    X = torch.zeros(1, 4, 3, dtype=torch.float64)
    found = side.divergence(X, torch.ones(1, 4, dtype=torch.float64), side.diameters(X[0]).max()[None])
    assert float(found.gradient[0].max() - found.gradient[0].min()) == pytest.approx(0, abs=1e-12)
    assert abs(float(found.value)) < 0.01


def test_diameters_are_the_farthest_validation_row():
    x, y = points(40, 3), points(30, 3, seed=1)
    expected = [1.1 * max(math.dist(a, b) for b in y.tolist()) for a in x.tolist()]
    np.testing.assert_allclose(ValidationSide(y).diameters(x), expected, rtol=1e-12)


def test_self_terms_survive_a_checkpoint():
    side = ValidationSide(points(10, 2))
    diameters = torch.tensor([3.0, 5.0, 3.0], dtype=torch.float64)
    terms = side.self_terms(diameters)
    other = ValidationSide(points(10, 2))
    assert other.state().shape == (0, 2)
    other.restore(side.state())
    assert torch.equal(other.self_terms(diameters), terms)
    assert other.state().shape == (2, 2)
