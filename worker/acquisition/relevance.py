"""How much the target domain lacks of what a candidate is, read from LossVal's transport; no label is needed.

The weighted training set, and what is pending beside it, is transported to the target domain
(`worker.lossval.transport`). The dual potential f of that problem is its gradient: mass that moves from the
training set to a point x changes the transport cost by f(x) - mean f, the mean over the training masses. So with

    z(x) = (mean f - f(x)) / (root mean square of mean f - f over the pool),    rel(x) = 1 + lambda tanh(z(x)),

the relevance is above 1 exactly where more mass would lower the transport cost, that is where the training set
lacks mass relative to the target domain, whatever else is in the pool. With lambda < 1 it is never 0.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.problem import FloatArray
from worker.lossval.transport import solve_transport


def transport_relevance(
    candidates: Tensor,
    known: Tensor,
    precision: FloatArray,
    target: Tensor,
    *,
    strength: float,
    generator: torch.Generator,
) -> FloatArray:
    """Factor on a candidate's gain by the mass that the target domain lacks.

    Args:
        candidates: (m, d) encoded.
        known: (n, d) encoded labelled and pending designs.
        precision: (n,) data weights, 1 for a pending design; not all 0.
        target: (t, d) encoded points of the target domain.
        strength: lambda in (0, 1).
        generator: draws anchors where a side has more than 1,024 points.

    Returns:
        (m,) within 1 - lambda and 1 + lambda; above 1: mass there lowers the transport cost. All 1 if every
        candidate is as relevant as the training set on average.

    Raises:
        InvalidProblemError: all labels have precision 0.

    Cost: O(A B iterations + m B d), A = min(n, 1024), B = min(t, 1024).
    """
    if not precision.sum() > 0:
        raise InvalidProblemError(
            "All labels have precision 0, so there is no training set to transport; check the data weights or "
            "set relevance_strength to 0."
        )
    masses = torch.from_numpy(precision / precision.sum())
    transport = solve_transport(known, masses, target, generator=generator)
    mean = float(masses @ transport.target.potential_at(known))
    lacking = mean - transport.target.potential_at(candidates).numpy()
    scale = float(np.sqrt(np.mean(lacking**2)))
    # rounding of equal potentials is no information
    if scale <= 1e-9 * max(1.0, abs(mean)):
        return np.ones(len(lacking))
    relevance: FloatArray = 1.0 + strength * np.tanh(lacking / scale)
    return relevance
