"""The light learner of `loo` and `data_oob`: ridge regression on random features, solved in closed form.

Features: 1, the columns themselves, and random Fourier features of a Gaussian kernel (Rahimi and Recht, NIPS
2007), so that it is nonlinear where a linear model would make every curved relation look like noise. Kernel
width and penalty are those of the smallest exact leave-one-out error on the training rows (PRESS, Allen 1974).
Classes are one-hot columns: the least-squares classifier, whose squared error is the Brier score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

_RANDOM_FEATURES = 200
_WIDTHS = (0.5, 1.0, 2.0)  # of the kernel, in median distances
_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # per training row
_PAIR_ROWS = 500  # rows whose distances give the median


@dataclass(frozen=True)
class RandomFeatures:
    """(n, d) features -> (n, p) random features.

    Attributes:
        frequencies: (d, D) of the cosines.
        phases: (D,).
    """

    frequencies: Tensor
    phases: Tensor

    @classmethod
    def draw(cls, X: Tensor, width: float, generator: torch.Generator) -> Self:
        """Random features of a Gaussian kernel of `width` median distances between rows of X."""
        distances = torch.pdist(X[torch.randperm(len(X), generator=generator)[:_PAIR_ROWS]])
        positive = distances[distances > 0]
        median = float(positive.median()) if positive.numel() else 1.0
        shape = (X.shape[1], _RANDOM_FEATURES)
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        uniform = torch.rand(_RANDOM_FEATURES, generator=generator, dtype=torch.float64)
        return cls(normal / (width * median), 2.0 * math.pi * uniform)

    def __call__(self, X: Tensor) -> Tensor:
        """(n, p) float64 with p = 1 + d + D. O(n d D)."""
        cosines = torch.cos(X @ self.frequencies + self.phases) * math.sqrt(2.0 / len(self.phases))
        return torch.cat([torch.ones(len(X), 1, dtype=torch.float64), X, cosines], dim=1)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression B = (Phi' Phi + penalty I)^-1 Phi' Y on fixed features.

    Attributes:
        features: X -> Phi.
        penalty: lambda > 0, also on the intercept, so that removing a sample is an exact rank-one update.
    """

    features: RandomFeatures
    penalty: float

    @classmethod
    def select(cls, X: Tensor, targets: Tensor, generator: torch.Generator) -> Self:
        """The width and penalty with the smallest exact leave-one-out squared error.

        Args:
            X: (n, d) float64 training features.
            targets: (n, c) target columns.
            generator: draws the random features.

        O(n p^2 + p^3) for each of three widths.
        """
        candidates = []
        for width in _WIDTHS:
            features = RandomFeatures.draw(X, width, generator)
            error, penalty = _best_penalty(features(X), targets)
            candidates.append((error, cls(features, penalty)))
        return min(candidates, key=lambda candidate: candidate[0])[1]

    def fit(self, Phi: Tensor, targets: Tensor, counts: Tensor) -> Tensor:
        """(p, c) coefficients where row n counts `counts[n]` times. O(n p^2 + p^3)."""
        weighted = Phi * counts[:, None]
        return solve_ridge(weighted.T @ Phi, weighted.T @ targets, self.penalty)


def solve_ridge(gram: Tensor, right: Tensor, penalty: float) -> Tensor:
    """(p, c) (gram + penalty I)^-1 right for a positive semidefinite (p, p) gram. O(p^3)."""
    identity = torch.eye(len(gram), dtype=torch.float64)
    return torch.cholesky_solve(right, torch.linalg.cholesky(gram + penalty * identity))


def _best_penalty(Phi: Tensor, targets: Tensor) -> tuple[float, float]:
    """Smallest leave-one-out mean squared error and its penalty; one eigendecomposition for all penalties."""
    eigenvalues, vectors = torch.linalg.eigh(Phi.T @ Phi)
    rotated = Phi @ vectors
    projected = rotated.T @ targets
    best = (math.inf, math.nan)
    for penalty in _PENALTIES:
        shrunk = 1.0 / (eigenvalues.clamp_min(0.0) + penalty * len(Phi))
        residual = targets - rotated @ (shrunk[:, None] * projected)
        leverage = rotated.square() @ shrunk
        error = float((residual / (1.0 - leverage)[:, None]).square().mean())
        best = min(best, (error, penalty * len(Phi)))
    return best
