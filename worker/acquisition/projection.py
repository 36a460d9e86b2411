"""A map of designs: features of many columns on the plane that keeps most of their spread.

Principal component analysis: with the centred features F (n, p) and the eigenvectors u_1, u_2 of F^T F / n that
belong to its two largest eigenvalues l_1 >= l_2, a design lies at (F u_1, F u_2), and the plane keeps the share
(l_1 + l_2) / trace(F^T F / n) of the variance. It is linear and has no random start: equal features lie at one
point, and the same features give the same map.

Source: Hotelling, "Analysis of a complex of statistical variables into principal components", J. Educ.
Psychol. 24, 1933.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.problem import FloatArray, IntArray

AXES = 2


@dataclass(frozen=True)
class Projection:
    """Where designs lie on the map.

    Attributes:
        points: (n, 2), centred; the unit is that of the features.
        explained: share of the features' variance along each of the two axes, in [0, 1], the larger first.
    """

    points: FloatArray
    explained: tuple[float, float]


@dataclass(frozen=True)
class Driver:
    """An input that goes along with an axis: `correlation` in [-1, 1] over the designs of the map."""

    column: str
    correlation: float


def project(features: npt.ArrayLike) -> Projection:
    """The two principal components of features.

    Args:
        features: (n, p), n >= 1, p >= 1, finite, in single or double precision.

    Returns:
        The map. An axis without spread (all designs equal, or p = 1) is 0 everywhere and explains nothing. The
        point that lies farthest out on an axis lies on its positive side, so that the sign is no accident of
        the solver.

    Raises:
        InvalidProblemError: no row, no column, or a number that is not finite.

    Cost: O(n p^2 + p^3): 5,900 designs of 512 columns took 1.8 s of one core on a busy machine.
    """
    F = _checked(features)
    F -= F.mean(axis=0)
    values, vectors = np.linalg.eigh(F.T @ F / len(F))
    total = float(values.clip(min=0).sum())
    points, explained = np.zeros((len(F), AXES)), [0.0, 0.0]
    for axis in range(min(AXES, F.shape[1])):
        share = float(values[-1 - axis]) / total if total > 0 else 0.0
        if share > np.finfo(np.float64).eps * F.shape[1]:
            points[:, axis], explained[axis] = _turned(F @ vectors[:, -1 - axis]), share
    return Projection(points, (explained[0], explained[1]))


def _checked(features: npt.ArrayLike) -> FloatArray:
    F = np.array(features, dtype=np.float64)
    if F.ndim != 2 or not F.size:
        raise InvalidProblemError(f"features have shape {F.shape}; a map needs at least one row and column.")
    broken = np.flatnonzero(~np.isfinite(F).all(axis=1))
    if broken.size:
        raise InvalidProblemError(f"features are not finite in row {broken[0]}; train the surrogate again.")
    return F


def _turned(scores: FloatArray) -> FloatArray:
    return scores if scores[np.argmax(np.abs(scores))] >= 0 else -scores


def drivers(
    scores: npt.ArrayLike, X: npt.ArrayLike, columns: Sequence[str], *, most: int = 2
) -> list[Driver]:
    """What an axis means: the inputs that go along with it most.

    Args:
        scores: (n,) positions of the designs on the axis.
        X: (n, d) their encoded inputs.
        columns: d names.
        most: how many to name at most.

    Returns:
        By falling absolute Pearson correlation; inputs and axes without spread have none.

    Cost: O(n d).
    """
    s, inputs = np.asarray(scores, dtype=np.float64), np.asarray(X, dtype=np.float64)
    s, inputs = s - s.mean(), inputs - inputs.mean(axis=0)
    scale = np.sqrt((s @ s) * (inputs * inputs).sum(axis=0))
    spread = scale > 0
    r = np.divide(s @ inputs, scale, out=np.zeros(len(columns)), where=spread).clip(-1.0, 1.0)
    order = np.argsort(-np.abs(r), kind="stable")
    return [Driver(columns[place], float(r[place])) for place in order[:most] if spread[place]]


def thinned(rows: int, most: int, always: Sequence[int], generator: np.random.Generator) -> IntArray:
    """Which rows of a pool are shown when it has more than fit: those that must be, and others by lot.

    Args:
        rows: m, size of the pool.
        most: how many rows there shall be; more only when `always` has more.
        always: rows that are shown in any case.
        generator: draws the others, all with the same chance.

    Returns:
        Row numbers, ascending, none twice.
    """
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    kept = np.unique(np.asarray(always, dtype=np.int64))
    others = np.setdiff1d(np.arange(rows, dtype=np.int64), kept, assume_unique=True)
    drawn = generator.choice(others, size=max(0, most - len(kept)), replace=False)
    return np.sort(np.concatenate([kept, drawn]))
