"""The debiased Sinkhorn divergence of the published LossVal, batched over ensemble members, with its gradient.

It is the number that geomloss 0.3.1 returns for `SamplesLoss("sinkhorn", p=2, blur=0.05, scaling=0.5,
diameter=d)` with masses as they are (arXiv 2412.04158 uses it so): the weights of a minibatch against ones on
the validation rows, without normalisation. With unequal masses, or after the few annealed iterations, it is no
converged transport problem: the number is defined by the iteration, so the iteration is reproduced.

    S = sum_n w_n (f_ba - f_aa)_n + sum_j (g_ab - g_bb)_j,        dS/dw_n = (f_ba - f_aa)_n

with the dual potentials of the problems training-validation (f_ba, g_ab), training-training (f_aa) and
validation-validation (g_bb). Gradients therefore need no back-propagation through the iterations.

One iteration at the temperature eps is `f <- (f + ft) / 2`, `ft = -eps log sum_j b_j exp((g_j - c_ij) / eps)`,
all potentials at once (Feydy, Geometric data analysis, beyond convolutions, 2020, algorithm 3.5). eps starts at
d^2 and falls by a factor of 4. In terms of the kernel `P_ij = exp((f_i + g_j - c_ij) / eps)` with row sums
`r = P b` and column sums `s = P' a` that is

    f <- f - eps/2 log r,    g <- g - eps/2 log s,    P <- (P^2 / (r s'))^2     (eps <- eps / 4)

so an iteration is a few multiplications, and exponentials are needed twice only: at the first temperature and
at the last. Where that overflows (diameters of several hundred, minibatches without a positive weight) the
same iteration is done with logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BLUR = 0.05
DIAMETER_MARGIN = 1.1
_EPSILON = BLUR**2
_LOG_OF_NO_MASS = -100_000.0  # geomloss's logarithm of a mass that is not positive
_BLOCK_ENTRIES = 4_000_000  # kernel entries held at once: 32 MB


@dataclass(frozen=True)
class SinkhornDivergence:
    """Divergence of K weighted minibatches from the validation rows.

    Attributes:
        value: (K,) S, in units of |x|^2 times mass; with equal masses lower = more alike.
        gradient: (K, b) dS/dw_n; higher = mass there raises the divergence.
        cost: (K,) the part of S without the self terms.
    """

    value: Tensor
    gradient: Tensor
    cost: Tensor


class ValidationSide:
    """The validation rows, prepared once for all minibatches.

    Args:
        Y: (m, d) float64 validation features, on the device of the minibatches.

    Memory O(m (m + d)), and one number per distinct diameter.
    """

    def __init__(self, Y: Tensor) -> None:
        self.Y = Y
        self._half_squares = 0.5 * Y.square().sum(dim=1)
        self._self_terms: dict[float, float] = {}

    def diameters(self, X: Tensor) -> Tensor:
        """(n,) 1.1 x the distance from each row of X (n, d) to the farthest validation row. O(n m d) time.

        The published diameter of a minibatch is the largest of its rows.
        """
        size = max(1, _BLOCK_ENTRIES // len(self.Y))
        return DIAMETER_MARGIN * torch.cat([torch.cdist(x, self.Y).amax(dim=1) for x in X.split(size)])

    def divergence(self, X: Tensor, weights: Tensor, diameters: Tensor) -> SinkhornDivergence:
        """S of K minibatches and its gradient in the weights.

        Args:
            X: (K, b, d) float64 features.
            weights: (K, b) float64 masses; one that is not positive counts as no mass in the transport, as in
                geomloss, and with its sign in the sum S.
            diameters: (K,) float64, the first annealing scale.

        Returns:
            Finite for finite input. O(K b (b + m) log(diameter)) time, O(K b (b + m)) memory.
        """
        half_squares = 0.5 * X.square().sum(dim=2)
        Y = self.Y.T.expand(len(X), -1, -1)
        cross = torch.baddbmm(half_squares[:, :, None] + self._half_squares, X, Y, alpha=-1.0)
        own = half_squares[:, :, None] + half_squares[:, None, :]
        own = torch.baddbmm(own, X, X.transpose(1, 2), alpha=-1.0)
        f_ba, g_ab = _potentials(cross, weights, torch.ones_like(cross[:, 0]), diameters)
        f_aa, _ = _potentials(own, weights, None, diameters)
        gradient = f_ba - f_aa
        cost = (weights * f_ba).sum(dim=1) + g_ab.sum(dim=1)
        value = cost - (weights * f_aa).sum(dim=1) - self.self_terms(diameters)
        return SinkhornDivergence(value, gradient, cost)

    def self_terms(self, diameters: Tensor) -> Tensor:
        """(K,) sum_j g_bb,j at the given diameters, each solved once. O(m^2) time per new diameter."""
        wanted = diameters.tolist()
        new = sorted(set(wanted) - self._self_terms.keys())
        size = max(1, _BLOCK_ENTRIES // len(self.Y) ** 2)
        for start in range(0, len(new), size):
            self._solve_self(new[start : start + size])
        return diameters.new_tensor([self._self_terms[diameter] for diameter in wanted])

    def state(self) -> Tensor:
        """(entries, 2) diameters and self terms known so far, for a checkpoint."""
        known = sorted(self._self_terms.items())
        return torch.tensor(known, dtype=torch.float64).reshape(-1, 2)

    def restore(self, state: Tensor) -> None:
        """Take up what `state` gave: solving again, in other company, could round differently."""
        self._self_terms = dict(state.tolist())

    def _solve_self(self, diameters: list[float]) -> None:
        cost = self._half_squares[:, None] + self._half_squares[None, :] - self.Y @ self.Y.T
        costs = cost.expand(len(diameters), -1, -1)
        potential, _ = _potentials(costs, torch.ones_like(costs[:, 0]), None, cost.new_tensor(diameters))
        self._self_terms.update(zip(diameters, potential.sum(dim=1).tolist(), strict=True))


@dataclass(frozen=True)
class _Schedule:
    """Temperatures of K problems: `first`, first, first/4, ... (`steps[k]` of them), then blur^2."""

    first: Tensor  # (K, 1)
    steps: list[int]

    @classmethod
    def of(cls, diameters: Tensor) -> _Schedule:
        # Rows that all coincide have no diameter; at the blur nothing is left to anneal.
        diameters = torch.where(diameters > 0, diameters, BLUR)
        steps = [
            max(0, math.ceil((2 * math.log(BLUR) - 2 * math.log(d)) / (2 * math.log(0.5))))
            for d in diameters.tolist()
        ]
        return cls(diameters.square()[:, None], steps)

    def active(self, step: int) -> Tensor | None:
        """(K, 1) bool, which problems still anneal at this step; None if all do."""
        if step < min(self.steps):
            return None
        return torch.tensor(self.steps, device=self.first.device)[:, None] > step


def _potentials(cost: Tensor, a: Tensor, b: Tensor | None, diameters: Tensor) -> tuple[Tensor, Tensor]:
    """Dual potentials (f, g) of K problems after the annealed iterations.

    Args:
        cost: (K, n, m) ground costs.
        a: (K, n) masses of the rows.
        b: (K, m) masses of the columns, or None for the symmetric problem of a against itself, where g is f.
        diameters: (K,).
    """
    schedule = _Schedule.of(diameters)
    f, g = _multiplied(cost, a.clamp_min(0.0), b, schedule)
    if not bool(torch.isfinite(f).all() and torch.isfinite(g).all()):
        f, g = _by_logarithms(cost, a, b, schedule)
    return f, g


def _multiplied(cost: Tensor, a: Tensor, b: Tensor | None, schedule: _Schedule) -> tuple[Tensor, Tensor]:
    """`_potentials` with kernels; NaN or infinite where a sum overflows or vanishes."""
    sums = _symmetric_sums(a) if b is None else _cross_sums(a, b)
    epsilon = schedule.first
    kernel = torch.exp(cost / -epsilon[:, :, None])
    row, column = sums(kernel)
    f, g = -epsilon * row.log(), -epsilon * column.log()
    _scale(kernel, row, column)
    row, column = sums(kernel)
    f, g = f - 0.5 * epsilon * row.log(), g - 0.5 * epsilon * column.log()
    _scale(kernel, row.sqrt(), column.sqrt())
    for step in range(max(schedule.steps)):
        row, column = sums(kernel)
        active = schedule.active(step)
        if active is None:
            f, g = f - 0.5 * epsilon * row.log(), g - 0.5 * epsilon * column.log()
        else:
            f = torch.where(active, f - 0.5 * epsilon * row.log(), f)
            g = torch.where(active, g - 0.5 * epsilon * column.log(), g)
        kernel.square_()
        _scale(kernel, row, column)
        kernel.square_()
        epsilon = 0.25 * epsilon
    kernel = torch.sub(g[:, None, :], cost, out=kernel).add_(f[:, :, None]).div_(_EPSILON).exp_()
    row, column = sums(kernel)
    f, g = f - 0.5 * _EPSILON * row.log(), g - 0.5 * _EPSILON * column.log()
    _scale(kernel, row.sqrt(), column.sqrt())
    row, column = sums(kernel)
    return f - _EPSILON * row.log(), g - _EPSILON * column.log()


def _cross_sums(a: Tensor, b: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Row sums weighted with b, column sums weighted with a."""
    rows, columns = a[:, None, :], b[:, :, None]
    return lambda kernel: (torch.bmm(kernel, columns).squeeze(2), torch.bmm(rows, kernel).squeeze(1))


def _symmetric_sums(a: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Both sums of a symmetric kernel, which are the same."""
    rows = a[:, None, :]

    def sums(kernel: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.bmm(rows, kernel).squeeze(1)
        return both, both

    return sums


def _scale(kernel: Tensor, row: Tensor, column: Tensor) -> None:
    kernel.mul_(row.reciprocal()[:, :, None]).mul_(column.reciprocal()[:, None, :])


def _by_logarithms(cost: Tensor, a: Tensor, b: Tensor | None, schedule: _Schedule) -> tuple[Tensor, Tensor]:
    """`_potentials` with log-sum-exp: slower by an order of magnitude, safe for every finite input."""
    log_a, log_b = _log_masses(a), _log_masses(a if b is None else b)

    def soft_minima(epsilon: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        scaled = cost / epsilon[:, :, None]
        new_f = -epsilon * torch.logsumexp((log_b + g / epsilon)[:, None, :] - scaled, dim=2)
        new_g = -epsilon * torch.logsumexp((log_a + f / epsilon)[:, :, None] - scaled, dim=1)
        return new_f, new_g

    epsilon = schedule.first
    f, g = soft_minima(epsilon, torch.zeros_like(log_a), torch.zeros_like(log_b))
    last = torch.full_like(epsilon, _EPSILON)
    for step in range(-1, max(schedule.steps) + 1):
        # Step -1 is at the first temperature too; who has no temperature left is at the blur, once.
        count = torch.tensor(schedule.steps, device=cost.device)[:, None]
        now = torch.where(count > step, epsilon * 0.25 ** max(step, 0), last)
        new_f, new_g = soft_minima(now, f, g)
        runs = count >= step
        f, g = torch.where(runs, 0.5 * (f + new_f), f), torch.where(runs, 0.5 * (g + new_g), g)
    return soft_minima(last, f, g)


def _log_masses(masses: Tensor) -> Tensor:
    return torch.where(masses > 0, masses.clamp_min(torch.finfo(masses.dtype).tiny).log(), _LOG_OF_NO_MASS)
