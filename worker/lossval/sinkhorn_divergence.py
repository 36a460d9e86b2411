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
at the last. Where that overflows (diameters of several hundred, samples without mass far from all others) the
same iteration is done with logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BLUR = 0.05
DIAMETER_MARGIN = 1.1
_EPSILON = BLUR**2
_LOG_OF_NO_MASS = -100_000.0  # geomloss's logarithm of a mass that is not positive
_LEAST_EXPONENT = -700.0
_LEAST_SUM = 1e-280  # far above exp(-700) x any mass
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
        schedule = _Schedule.of(diameters)
        f_ba, g_ab = _potentials(cross, weights, torch.ones_like(cross[:, 0]), schedule)
        f_aa, _ = _potentials(own, weights, None, schedule)
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
        schedule = _Schedule.of(cost.new_tensor(diameters))
        potential, _ = _potentials(costs, torch.ones_like(costs[:, 0]), None, schedule)
        self._self_terms.update(zip(diameters, potential.sum(dim=1).tolist(), strict=True))


@dataclass(frozen=True)
class _Schedule:
    """Temperatures of K problems: `first`, first, first/4, ... (`steps[k]` of them), then blur^2.

    `rates` is (iterations, K, 1), what each iteration before the blur multiplies minus the log sums with: the
    first iteration starts from 0 and is taken in full, the others are averaged, and a problem with fewer
    temperatures than the others has rates of 0 at the end.
    """

    first: Tensor  # (K, 1)
    steps: list[int]
    rates: Tensor

    @classmethod
    def of(cls, diameters: Tensor) -> _Schedule:
        # Rows that all coincide have no diameter; at the blur nothing is left to anneal.
        known = [d or BLUR for d in diameters.tolist()]
        steps = [
            max(0, math.ceil((2 * math.log(BLUR) - 2 * math.log(d)) / (2 * math.log(0.5)))) for d in known
        ]
        rates = [
            [(1.0 if i == 0 else 0.5) * d * d * 0.25 ** max(i - 2, 0) if i < count + 2 else 0.0]
            for i in range(max(steps) + 2)
            for d, count in zip(known, steps, strict=True)
        ]
        first = diameters.new_tensor(known).square()[:, None]
        return cls(first, steps, diameters.new_tensor(rates).view(-1, len(known), 1))

    def averaged(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each averaged iteration: (K, 1) temperatures, and bool, which problems still have one."""
        steps = torch.tensor(self.steps, device=self.first.device)[:, None]
        for step in range(-1, max(self.steps) + 1):
            cooled = self.first * 0.25 ** max(step, 0)
            yield torch.where(steps > step, cooled, _EPSILON), steps >= step


def _potentials(cost: Tensor, a: Tensor, b: Tensor | None, schedule: _Schedule) -> tuple[Tensor, Tensor]:
    """Dual potentials (f, g) of K problems after the annealed iterations.

    Args:
        cost: (K, n, m) ground costs.
        a: (K, n) masses of the rows.
        b: (K, m) masses of the columns, or None for the symmetric problem of a against itself, where g is f.
        schedule: temperatures.
    """
    mass = a.clamp_min(0.0)
    empty = mass.sum(dim=1, keepdim=True) == 0
    some_empty = bool(empty.any())
    if some_empty:
        mass = torch.where(empty, 1.0, mass)
    f, g = _multiplied(_without_idle_pairs(cost, mass) if b is None else cost, mass, b, schedule)
    if some_empty:
        shift_f, shift_g = _no_mass_shifts(schedule, symmetric=b is None)
        f, g = f + empty * shift_f, g + empty * shift_g
    if not math.isfinite(float(f.sum() + g.sum())):
        f, g = _by_logarithms(cost, a, b, schedule)
    return f, g


def _without_idle_pairs(cost: Tensor, mass: Tensor) -> Tensor:
    """Costs of a symmetric problem, infinite between points without mass.

    Such a pair enters no sum, but its kernel entry would overflow: nothing bounds both potentials at once.
    """
    idle = mass == 0
    if not bool(idle.any()):
        return cost
    return torch.where(idle[:, :, None] & idle[:, None, :], torch.inf, cost)


def _multiplied(cost: Tensor, a: Tensor, b: Tensor | None, schedule: _Schedule) -> tuple[Tensor, Tensor]:
    """`_potentials` with kernels; NaN or infinite where a sum overflows or vanishes."""
    a_row, b_column = a.unsqueeze(1), None if b is None else b.unsqueeze(2)
    kernel = torch.mul(cost, -schedule.first.reciprocal().unsqueeze(2)).exp_()
    rows, columns = [], []  # the sums of every iteration; their logarithms are taken together
    iterations = len(schedule.rates)
    for iteration in range(iterations):
        row, column = _sums(kernel, a_row, b_column)
        rows.append(row)
        columns.append(column)
        if iteration == 0:
            _divide(kernel, row, column)
        elif iteration == 1:
            _divide(kernel, row.sqrt(), column.sqrt())
        elif iteration < iterations - 1:
            _divide(kernel.square_(), row, column).square_()
    f = _accumulated(schedule.rates, rows)
    g = f if b is None else _accumulated(schedule.rates, columns)
    return _at_the_blur(cost, a_row, b_column, f, g, kernel)


def _at_the_blur(
    cost: Tensor, a_row: Tensor, b_column: Tensor | None, f: Tensor, g: Tensor, kernel: Tensor
) -> tuple[Tensor, Tensor]:
    """The last averaged iteration and the extrapolation, both at blur^2."""
    # Results below the smallest normal number cost a hundredfold; a row that needs them is told by its sum.
    exponent = torch.sub(g.unsqueeze(1), cost, out=kernel).add_(f.unsqueeze(2)).mul_(1.0 / _EPSILON)
    row, column = _sums(exponent.clamp_min_(_LEAST_EXPONENT).exp_(), a_row, b_column)
    row, column = _vanished(row), _vanished(column)
    _divide(kernel, row.sqrt(), column.sqrt())
    last_row, last_column = _sums(kernel, a_row, b_column)
    f = f - _EPSILON * (0.5 * row.log() + last_row.log()).squeeze(2)
    if b_column is None:
        return f, f
    return f, g - _EPSILON * (0.5 * column.log() + last_column.log()).squeeze(1)


def _sums(kernel: Tensor, a_row: Tensor, b_column: Tensor | None) -> tuple[Tensor, Tensor]:
    """(K, n, 1) row sums weighted with b, (K, 1, m) column sums weighted with a; a symmetric kernel's agree."""
    column = torch.bmm(a_row, kernel)
    return column.transpose(1, 2) if b_column is None else torch.bmm(kernel, b_column), column


def _divide(kernel: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The kernel, changed in place: each entry divided by its row's and its column's number."""
    return kernel.mul_(row.reciprocal()).mul_(column.reciprocal())


def _accumulated(rates: Tensor, sums: list[Tensor]) -> Tensor:
    """(K, n) potential: minus the sum over the iterations of rate x log sum."""
    logarithms = torch.stack(sums).flatten(start_dim=2).log_()
    return -(rates * logarithms).sum(dim=0)


def _vanished(sums: Tensor) -> Tensor:
    """Sums, with NaN where nothing but entries below the least exponent contributed."""
    return torch.where(sums < _LEAST_SUM, torch.nan, sums)


def _by_logarithms(cost: Tensor, a: Tensor, b: Tensor | None, schedule: _Schedule) -> tuple[Tensor, Tensor]:
    """`_potentials` with log-sum-exp: slower by an order of magnitude, safe for every finite input."""
    log_a, log_b = _log_masses(a), _log_masses(a if b is None else b)

    def soft_minima(epsilon: Tensor, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        scaled = cost / epsilon[:, :, None]
        new_f = -epsilon * torch.logsumexp((log_b + g / epsilon)[:, None, :] - scaled, dim=2)
        new_g = -epsilon * torch.logsumexp((log_a + f / epsilon)[:, :, None] - scaled, dim=1)
        return new_f, new_g

    f, g = soft_minima(schedule.first, torch.zeros_like(log_a), torch.zeros_like(log_b))
    for epsilon, runs in schedule.averaged():
        new_f, new_g = soft_minima(epsilon, f, g)
        f, g = torch.where(runs, 0.5 * (f + new_f), f), torch.where(runs, 0.5 * (g + new_g), g)
    return soft_minima(torch.full_like(schedule.first, _EPSILON), f, g)


def _no_mass_shifts(schedule: _Schedule, *, symmetric: bool) -> tuple[Tensor, Tensor]:
    """(K, 1) what log a = -100,000 instead of 0 in every row adds to f and to g.

    A common shift s of g lowers the next f by s and the other way round; the masses raise g by 100,000 eps.
    """

    def shifts(epsilon: Tensor | float, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        new_g = -_LOG_OF_NO_MASS * epsilon - f
        return new_g if symmetric else -g, new_g

    f, g = shifts(schedule.first, torch.zeros_like(schedule.first), torch.zeros_like(schedule.first))
    for epsilon, runs in schedule.averaged():
        new_f, new_g = shifts(epsilon, f, g)
        f, g = torch.where(runs, 0.5 * (f + new_f), f), torch.where(runs, 0.5 * (g + new_g), g)
    return shifts(_EPSILON, f, g)


def _log_masses(masses: Tensor) -> Tensor:
    return torch.where(masses > 0, masses.clamp_min(torch.finfo(masses.dtype).tiny).log(), _LOG_OF_NO_MASS)
