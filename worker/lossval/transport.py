"""The transport term of LossVal: how far the weighted training set is from the target domain, per sample.

`OT_eps(w, b) = min over gamma in Pi(w, b) of <c, gamma> + eps KL(gamma | w x b)` on features only, with ground
cost `c(x, y) = |x - y|^2 / (2 d)` on encoded features and equal masses (both sides are normalised to sum 1).
Its dual potentials (f, g) are its gradient: `d OT_eps / d w_n = f_n` up to a constant (envelope theorem; no
back-propagation through the iterations). The debiased form `S = OT(w, b) - OT(w, w)/2 - OT(b, b)/2`
(Feydy et al., AISTATS 2019) has the gradient `f_wb - f_ww`.

eps is relative to the scale of the data (0.05 x median ground cost): a fixed blur is either all noise or all
smoothing, depending on d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ot
import torch
from torch import Tensor

from worker.lossval.errors import LossValError

_BLOCK_ENTRIES = 4_000_000  # ground costs held at once: 32 MB


@dataclass(frozen=True)
class TransportSettings:
    """Accuracy and size of the transport problem.

    Attributes:
        relative_epsilon: entropic regularisation in units of the median ground cost.
        tolerance: largest marginal error (2-norm, masses sum to 1) at which Sinkhorn stops.
        max_iterations: iterations after which it stops anyway; the error is reported.
        max_anchors: above this many points a uniform random subset stands for a side in the solver; the
            potentials of all points follow by the c-transform. Keeps memory and time linear in n.
    """

    relative_epsilon: float = 0.05
    tolerance: float = 1e-5
    max_iterations: int = 1000
    max_anchors: int = 1024


@dataclass(frozen=True)
class TargetPotential:
    """The dual potential of the training set against the target domain, defined at every point.

    Attributes:
        anchors: (m, d) points of the target domain.
        potential: (m,) dual potential g on the anchors.
        log_masses: (m,) log b.
        epsilon: the regularisation it was solved with, in units of the ground cost.
    """

    anchors: Tensor
    potential: Tensor
    log_masses: Tensor
    epsilon: float

    def potential_at(self, X: Tensor) -> Tensor:
        """f(x) = -eps log sum_j b_j exp((g_j - c(x, y_j)) / eps), the c-transform of g.

        On the training points it is the solved potential; it extends that to candidates without a label.

        Args:
            X: (n, d) encoded features.

        Returns:
            (n,) float64; higher = mass there raises the transport cost, so less relevant to the target
            domain. O(n m d) time, memory in blocks.
        """
        return _c_transform(X, self.anchors, self.potential, self.log_masses, self.epsilon)


@dataclass(frozen=True)
class Transport:
    """Transport of the weighted training set to the target domain.

    Attributes:
        cost: OT_eps(w, b) >= 0 in units of the ground cost; the paper's OT_w up to eps.
        divergence: the debiased S; 0 for identical sets.
        gradient: (n,) d OT_eps / d w_n, centred (weighted mean 0).
        divergence_gradient: (n,) d S / d w_n, centred; higher = farther off the target domain.
        target: the potential as a function of x, for candidates.
        marginal_error: what the solver left, masses sum to 1.
    """

    cost: float
    divergence: float
    gradient: Tensor
    divergence_gradient: Tensor
    target: TargetPotential
    marginal_error: float


def solve_transport(
    X: Tensor,
    weights: Tensor,
    target: Tensor,
    *,
    generator: torch.Generator,
    settings: TransportSettings | None = None,
) -> Transport:
    """Transport cost of the weighted training set to the target domain, and its exact gradient.

    Args:
        X: (n, d) encoded training features.
        weights: (n,) data weights; finite, non-negative, not all zero. Zero weights keep a potential but take
            no part in the solver.
        target: (m, d) encoded features of the target domain.
        generator: draws the anchors when a side has more than `max_anchors` points.
        settings: accuracy and sizes.

    Returns:
        A `Transport` on CPU, float64. Points that all coincide give zero cost and zero potentials.

    Raises:
        LossValError: bad weights, an empty side, or different numbers of columns.

    Cost with A = min(n, max_anchors), B = min(m, max_anchors): O((A B + A^2) iterations + n (A + B) d) time,
    O(A B + A^2 + n) memory.
    """
    settings = settings or TransportSettings()
    X, target = X.detach().double().cpu(), target.detach().double().cpu()
    masses = _masses(weights.detach().double().cpu(), X, target)
    a_index = _anchor_index(masses, settings.max_anchors, generator)
    b_index = _anchor_index(torch.ones(len(target)), settings.max_anchors, generator)
    A, B = X[a_index], target[b_index]
    a = masses[a_index] / masses[a_index].sum()
    b = torch.full((len(B),), 1.0 / len(B), dtype=torch.float64)

    epsilon = settings.relative_epsilon * _cost_scale(A, B)
    self_a, self_b = _self_potential(A, a, epsilon), _self_potential(B, b, epsilon)
    f, g, error = _cross_potentials(A, a, B, b, epsilon, (self_a, self_b), settings)
    cross = TargetPotential(B, g, b.log(), epsilon)
    cost = float(f @ a + g @ b)
    potential = cross.potential_at(X)
    self_on_X = _c_transform(X, A, self_a, a.log(), epsilon)
    return Transport(
        cost=cost,
        divergence=cost - float(self_a @ a) - float(self_b @ b),
        gradient=_centred(potential, masses),
        divergence_gradient=_centred(potential - self_on_X, masses),
        target=cross,
        marginal_error=error,
    )


def shift_strength(
    X: Tensor,
    target: Tensor,
    divergence: float,
    *,
    generator: torch.Generator,
    settings: TransportSettings | None = None,
) -> float:
    """How much of a divergence is a shift, and not the chance of drawing so few points.

    Two samples of one distribution have a divergence above 0 too. What chance gives is measured on the training
    set itself: as many of its points as the target domain has, at most a half, against the rest.

    Args:
        X: (n, d) encoded training features.
        target: (m, d) encoded features of the target domain.
        divergence: S of the training set to the target domain.
        generator: draws the two parts.
        settings: as for the divergence.

    Returns:
        `max(0, 1 - 2 S_chance / S)` in [0, 1): 0 = no more than chance, near 1 = another domain. S_chance is the
        mean of two draws. Twice the cost of `solve_transport` on at most 2 `max_anchors` rows.
    """
    settings = settings or TransportSettings()
    chance = 0.0
    for _ in range(2):
        rows = torch.randperm(len(X), generator=generator)[: 2 * settings.max_anchors]
        part, rest = X[rows].tensor_split([max(1, min(len(target), len(rows) // 2))])
        drawn = solve_transport(rest, torch.ones(len(rest)), part, generator=generator, settings=settings)
        chance += 0.5 * max(drawn.divergence, 0.0)
    return max(0.0, 1.0 - 2.0 * chance / divergence) if divergence > 0 else 0.0


def isolation_potential(
    X: Tensor,
    weights: Tensor,
    *,
    generator: torch.Generator,
    settings: TransportSettings | None = None,
) -> Tensor:
    """Leave-one-out self potential of the training features: how badly the other points cover each point.

    The self (debiasing) term `OT(w, w)` of the transport has the symmetric potential
    `f_i = -eps log sum_j w_j exp((f_j - c_ij) / eps)`, a negative log density at the scale eps. Leaving out
    j = i keeps it from saturating at eps/2 log n where a point has no neighbour but itself: with equal
    ranking, the noisy points then stand apart from the others instead of piling up at that bound.

    Args:
        X: (n, d) encoded training features.
        weights: (n,) data weights, at least two positive.
        generator: draws the anchors when there are more than `max_anchors` points.
        settings: sizes and relative epsilon, here of the median cost within X.

    Returns:
        (n,) float64 in units of the ground cost; higher = more isolated, finds feature noise. Zeros if all
        points coincide. O(A^2 iterations + n A d) time, A = min(n, max_anchors).

    Raises:
        LossValError: bad weights or fewer than two positive ones.
    """
    settings = settings or TransportSettings()
    X = X.detach().double().cpu()
    masses = _masses(weights.detach().double().cpu(), X, X)
    index = _anchor_index(masses, settings.max_anchors, generator)
    if len(index) < 2:
        raise LossValError("fewer than two samples have a data weight; add labelled training samples")
    A, a = X[index], masses[index] / masses[index].sum()
    epsilon = settings.relative_epsilon * _cost_scale(A, A)
    potential = _self_potential(A, a, epsilon)
    return _c_transform(X, A, potential, a.log(), epsilon, leave_out=index)


def ground_cost(X: Tensor, Y: Tensor) -> Tensor:
    """c(x, y) = |x - y|^2 / (2 d): half the squared distance of features scaled by 1/sqrt(d).

    Args:
        X: (n, d).
        Y: (m, d).

    Returns:
        (n, m), never negative.
    """
    squared = X.square().sum(1)[:, None] + Y.square().sum(1)[None, :] - 2.0 * X @ Y.T
    return squared.clamp_min_(0.0).div_(2.0 * X.shape[1])


def _masses(weights: Tensor, X: Tensor, target: Tensor) -> Tensor:
    """(n,) weights as masses that sum to 1."""
    if not len(X) or not len(target) or X.shape[1] != target.shape[1]:
        raise LossValError(
            f"transport needs two non-empty sets with the same columns, got {tuple(X.shape)} and "
            f"{tuple(target.shape)}; name rows of the target domain with the campaign's features"
        )
    if weights.shape != (len(X),) or not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise LossValError(f"data weights must be {len(X)} finite, non-negative numbers")
    total = weights.sum()
    if float(total) == 0.0:
        raise LossValError("all data weights vanish: check labels and features for gross errors")
    return weights / total


def _anchor_index(masses: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Points with mass, at most `most` of them; Sinkhorn turns a single zero mass into NaN."""
    index = masses.nonzero().squeeze(1)
    if len(index) <= most:
        return index
    chosen = torch.randperm(len(index), generator=generator)[:most]
    return index[chosen.sort().values]


def _cost_scale(X: Tensor, Y: Tensor) -> float:
    """Median positive ground cost; 0 if all points coincide."""
    costs = ground_cost(X, Y)
    # Rounding of |x|^2 - 2 x y + |y|^2 leaves about 1e-16 |x|^2 for equal points.
    noise = 1e-12 * float(X.square().sum(1).max() + Y.square().sum(1).max()) / X.shape[1]
    positive = costs[costs > noise]
    return float(positive.median()) if positive.numel() else 0.0


def _cross_potentials(
    A: Tensor,
    a: Tensor,
    B: Tensor,
    b: Tensor,
    epsilon: float,
    start: tuple[Tensor, Tensor],
    settings: TransportSettings,
) -> tuple[Tensor, Tensor, float]:
    """Dual potentials (f, g) of OT_eps(a, b) and the marginal error that is left.

    `start` are the two self potentials: the solution if both sets are the same, where plain Sinkhorn from zero
    is slowest, and near it if they are alike.
    """
    if epsilon == 0.0:
        return torch.zeros_like(a), torch.zeros_like(b), 0.0
    _, log = ot.bregman.sinkhorn_log(
        a,
        b,
        ground_cost(A, B),
        epsilon,
        numItermax=settings.max_iterations,
        stopThr=settings.tolerance,
        warmstart=(start[0] / epsilon + a.log(), start[1] / epsilon + b.log()),
        log=True,
        warn=False,  # the error is returned and stored with the run instead
    )
    # POT's scalings contain the masses: log u = f / eps + log a.
    f, g = epsilon * (log["log_u"] - a.log()), epsilon * (log["log_v"] - b.log())
    return f, g, float(log["err"][-1])


def _self_potential(A: Tensor, a: Tensor, epsilon: float) -> Tensor:
    """(n,) symmetric potential f of OT_eps(a, a): f = -eps log sum_j a_j exp((f_j - c_ij) / eps).

    Averaged updates (Feydy et al. 2019, equation 27) contract fast. Plain kernel products are safe here,
    unlike between two sets: the diagonal of the kernel is 1, so |f| <= eps/2 max log(1/a).
    """
    if epsilon == 0.0:
        return torch.zeros_like(a)
    kernel = ground_cost(A, A).div_(-epsilon).exp_()
    f = torch.zeros_like(a)
    for _ in range(200):
        update = -(kernel @ (a * f.exp())).log()
        step = 0.5 * (update - f)
        f = f + step
        if float(step.abs().max()) < 1e-9:
            break
    return epsilon * f


def _c_transform(
    X: Tensor, Y: Tensor, g: Tensor, log_b: Tensor, epsilon: float, leave_out: Tensor | None = None
) -> Tensor:
    """(n,) -eps log sum_j b_j exp((g_j - c(x_i, y_j)) / eps), in blocks of rows.

    `leave_out` (m,) says which row of X each y_j is; that row then does not see itself.
    """
    X = X.detach().double().cpu()
    if epsilon == 0.0:
        return torch.zeros(len(X), dtype=torch.float64)
    exponent = g / epsilon + log_b
    result = torch.empty(len(X), dtype=torch.float64)
    size = max(1, _BLOCK_ENTRIES // len(Y))
    for start in range(0, len(X), size):
        block = ground_cost(X[start : start + size], Y).div_(-epsilon).add_(exponent)
        if leave_out is not None:
            column = ((leave_out >= start) & (leave_out < start + len(block))).nonzero().squeeze(1)
            block[leave_out[column] - start, column] = -math.inf
        result[start : start + size] = -epsilon * torch.logsumexp(block, dim=1)
    return result


def _centred(potential: Tensor, masses: Tensor) -> Tensor:
    return potential - potential @ masses
