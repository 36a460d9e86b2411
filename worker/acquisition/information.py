"""What a test is expected to teach: the Gaussian posterior over gradient features and its rank-one updates.

Model: y = phi(x) . theta + e with theta ~ N(0, I) and e ~ N(0, sigma^2 / w). After the labelled rows
(precision w_i) and the pending rows (precision 1)

    A = I + (1 / sigma^2) sum_i w_i phi_i phi_i^T,   Sigma = A^-1,   var(x) = phi(x)^T Sigma phi(x)
    V = mean over target points of var(x) = tr(Sigma M),   M = Phi_t^T Phi_t / t.

One further observation at c (precision 1) lowers V by

    gain(c) = phi_c^T Sigma M Sigma phi_c / (sigma^2 + phi_c^T Sigma phi_c) = u_c / (sigma^2 + v_c),

V-optimal design (Cohn, "Neural network exploration using optimal experiment design", Neural Networks 9(6),
1996), the Gaussian relative of the expected predictive information gain (Bickford Smith et al., AISTATS
2023, arXiv 2304.08151). The gain needs no target value: the variance does not depend on it. After s was taken, with
g = Sigma phi_s, h = sigma^2 + v_s, r = Sigma M g, kappa = g^T M g, the Sherman-Morrison formula gives

    Sigma <- Sigma - g g^T / h,   v_c <- v_c - (phi_c . g)^2 / h,
    u_c <- u_c - 2 (phi_c . g)(phi_c . r) / h + kappa (phi_c . g)^2 / h^2.

Units: the square of the target's unit, when the features are scaled so (`ranking.py`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float64]
ALONG_ROWS = 1024


class TargetPosterior:
    """Gaussian posterior that knows every candidate's expected variance reduction on the target domain.

    p x p algebra is float64; products with the candidates use the candidates' type (float32 halves time
    and memory at 1e-5 relative error). Updates replace tensors and never write into them, so `copy.copy`
    is a fork.

    Args:
        candidates: (m, p) features.
        observed: (n, p) features of labelled and pending rows.
        precision: (n,) label precision w >= 0; 1 for a pending row. All ones is the standard posterior.
        target: (t, p) features of target-domain points, t >= 1.
        noise_variance: sigma^2 > 0 of one observation with w = 1.

    Cost: O(p^2 (n + t) + p^3 + m p (r_v + r_u)) once, where r_v <= min(n, p) and r_u <= min(t, p) are the
    ranks of I - Sigma and of Sigma M Sigma at the candidates' precision; O(m p + p^2) for each `add`; memory
    O(m + p^2) beside the features.
    """

    def __init__(
        self,
        *,
        candidates: Tensor,
        observed: Tensor,
        precision: Tensor,
        target: Tensor,
        noise_variance: float,
        block_rows: int = 2048,
    ) -> None:
        self._candidates = candidates
        self._size = int(candidates.shape[0])
        self._noise_variance = noise_variance
        weighted = observed.double() * precision.double().sqrt().unsqueeze(1)
        identity = torch.eye(candidates.shape[1], dtype=torch.float64, device=candidates.device)
        cholesky = torch.linalg.cholesky(identity + weighted.T @ weighted / noise_variance)
        self._covariance = torch.cholesky_inverse(cholesky)
        doubled = target.double()
        self._target_moment = doubled.T @ doubled / target.shape[0]
        self._variance, self._target_covariance = self._initial_forms(block_rows)
        self.mean_variance = float((self._covariance * self._target_moment).sum())

    def _initial_forms(self, block_rows: int) -> tuple[Tensor, Tensor]:
        """v_c and u_c of all candidates, (m,) float64.

        v_c = |phi_c|^2 - |phi_c F|^2 with F F^T = I - Sigma, whose rank is the number of observed rows, and
        u_c = |phi_c G|^2 with G G^T = Sigma M Sigma: never more work than two p x p forms for each candidate.
        """
        identity = torch.eye(len(self._covariance), dtype=torch.float64, device=self._covariance.device)
        known = _factor(identity - self._covariance, self._candidates)
        ahead = _factor(self._covariance @ self._target_moment @ self._covariance, self._candidates)
        # written into place: a list of small results between large temporary ones would pin those in the heap
        variance, target_covariance = self._candidates.new_empty((2, self._size), dtype=torch.float64)
        for start in range(0, self._size, block_rows):
            rows = slice(start, start + block_rows)
            block = self._candidates[rows]
            variance[rows] = _squares(block) - _squares(block @ known)
            target_covariance[rows] = _squares(block @ ahead)
        return variance, target_covariance

    def gains(self) -> FloatArray:
        """Expected reduction of the mean target-domain variance by each candidate, (m,); higher is better."""
        denominator = self._noise_variance + self._variance.clamp_min(0.0)
        gains: FloatArray = (self._target_covariance.clamp_min(0.0) / denominator).cpu().numpy()
        return gains

    def variance(self) -> FloatArray:
        """Posterior variance v_c of each candidate, (m,), without the noise of an observation."""
        variance: FloatArray = self._variance.clamp_min(0.0).cpu().numpy()
        return variance

    def gain(self, index: int) -> float:
        """The same for one candidate, from the float64 covariance."""
        phi = self._candidates[index].double()
        g = self._covariance @ phi
        return float(g @ self._target_moment @ g / (self._noise_variance + phi @ g))

    def direction(self, index: int) -> tuple[Tensor, float]:
        """What one candidate tells: it takes (phi(x) . g)^2 / h from var(x).

        Returns:
            g = Sigma phi, (p,) float64, and h = sigma^2 + v. O(p^2).
        """
        phi = self._candidates[index].double()
        g = self._covariance @ phi
        return g, float(self._noise_variance + phi @ g)

    def add(self, index: int) -> None:
        """Count candidate `index` as observed with precision 1."""
        phi = self._candidates[index].double()
        g = self._covariance @ phi
        moment_g = self._target_moment @ g
        r, kappa = self._covariance @ moment_g, g @ moment_g
        h = self._noise_variance + phi @ g
        along_g, along_r = self._along(g, r)
        self._variance = self._variance - along_g.square() / h
        self._target_covariance = (
            self._target_covariance - 2.0 * along_g * along_r / h + kappa * (along_g / h).square()
        )
        self._covariance = self._covariance - torch.outer(g, g) / h
        self.mean_variance -= float(kappa / h)

    def _along(self, *directions: Tensor) -> list[Tensor]:
        """phi_c . direction of all candidates, each (m,) float64.

        Block by block, so that all but the first direction find the features in the cache: half the time of
        one thin matrix product.
        """
        vectors = [direction.to(self._candidates) for direction in directions]
        products = [self._candidates.new_empty(self._size, dtype=torch.float64) for _ in vectors]
        for start in range(0, self._size, ALONG_ROWS):
            rows = slice(start, start + ALONG_ROWS)
            for vector, product in zip(vectors, products, strict=True):
                product[rows] = self._candidates[rows] @ vector
        return products


def _factor(form: Tensor, like: Tensor) -> Tensor:
    """Columns F, of the type of `like`, with F F^T = `form` (p, p) up to that type's rounding.

    The least eigenvalues are left out as long as they sum up to no more than the rounding error of the trace:
    for a candidate of any usual direction they are lost in the products anyway.
    """
    values, vectors = torch.linalg.eigh(form)  # ascending
    values = values.clamp_min(0.0)
    dropped = values.cumsum(0) <= torch.finfo(like.dtype).eps * values.sum()
    factor: Tensor = (vectors * values.sqrt())[:, ~dropped]
    return factor.to(like)


def _squares(rows: Tensor) -> Tensor:
    """Squared length of each row, float64."""
    return rows.square().sum(1, dtype=torch.float64)
