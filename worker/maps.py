"""The map of a round's pool: where its designs lie, and what the surrogate says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from service.vocabulary import MapRole
from worker.acquisition.features import hidden_contributions
from worker.acquisition.problem import FloatArray, IntArray
from worker.acquisition.projection import Driver, drivers, project, thinned
from worker.acquisition.ranking import Ranking
from worker.loading import Snapshot
from worker.lossval.errors import LossValError
from worker.lossval.metrics import INTERVAL_LEVEL
from worker.lossval.surrogate import AnyMatrix, Surrogate

MOST_CANDIDATES = 5000  # more would hide each other, and the page would load longer
MOST_TARGET_POINTS = 400
NOBODY = -1  # the sample of a repetition, which is only made when the batch is stored


@dataclass(frozen=True)
class PoolMap:
    """A map of n designs.

    Attributes:
        points: (n, 2), see `projection.py`.
        explained: shares of the variance along the two axes.
        axes: the inputs that go along with each axis.
        roles: n of them.
        sample_ids: (n,) of the samples; -1 where there is none, or none yet.
        pool_rows: (n,) row in the ranking, -1 for what is not ranked.
        predicted, predicted_std: (n,) target units.
        half_width: (n,) half the interval of level `INTERVAL_LEVEL`, target units; None if the surrogate has none.
        candidates: m, how many there are in the pool; the map shows some of them.
    """

    points: FloatArray
    explained: tuple[float, float]
    axes: tuple[list[Driver], list[Driver]]
    roles: list[MapRole]
    sample_ids: IntArray
    pool_rows: IntArray
    predicted: FloatArray
    predicted_std: FloatArray
    half_width: FloatArray | None
    candidates: int


@dataclass(frozen=True)
class _Part:
    """Designs of one role: encoded rows, samples, and rows in the ranking."""

    role: MapRole
    X: AnyMatrix
    sample_ids: Sequence[int] | IntArray
    pool_rows: Sequence[int] | IntArray | None = None


def draw_map(
    snapshot: Snapshot, surrogate: Surrogate, ranking: Ranking, *, seed: int, device: torch.device
) -> PoolMap:
    """Labelled and validation samples, what is pending, the batch, and a part of target domain and pool.

    Designs lie close together that the surrogate takes for alike: the map is the principal plane of what the units
    of its last hidden layer add to the prediction. On the demonstration (30 inputs, 7,000 candidates) it keeps 48 %
    of the variance; the plane of the standardised inputs keeps 28 %, that of the gradient features 25 %.

    Cost: bounded in the pool: at most 5,000 of it are drawn.
    """
    parts = _parts(snapshot, surrogate, ranking, np.random.default_rng(seed))
    X = np.concatenate([part.X for part in parts]).astype(np.float32)
    found = project(_features(surrogate, X, device))
    columns = surrogate.encoder.columns
    predicted, predicted_std = surrogate.predict_encoded(X)
    return PoolMap(
        points=found.points,
        explained=found.explained,
        axes=(drivers(found.points[:, 0], X, columns), drivers(found.points[:, 1], X, columns)),
        roles=[part.role for part in parts for _ in range(len(part.X))],
        sample_ids=_joined([part.sample_ids for part in parts]),
        pool_rows=_joined([_ranked_as(part) for part in parts]),
        predicted=predicted,
        predicted_std=predicted_std,
        half_width=_half_width(surrogate, X),
        candidates=len(snapshot.pool.ids),
    )


def _parts(
    snapshot: Snapshot, surrogate: Surrogate, ranking: Ranking, generator: np.random.Generator
) -> list[_Part]:
    """From the background to what must lie on top."""
    encode, pool = surrogate.encoder.transform, snapshot.pool
    picked = [item.pick.index for item in ranking.recommendations]
    shown = thinned(len(pool.ids), MOST_CANDIDATES, [row for row in picked if row < len(pool.ids)], generator)
    target = snapshot.target_rows[:: max(1, -(-len(snapshot.target_rows) // MOST_TARGET_POINTS))]
    repeated = [
        (item.pick.index, item.repeats)
        for item in ranking.recommendations
        if item.repeats is not None and item.pick.index >= len(pool.ids)
    ]
    again = encode([snapshot.train.planned[row] for _, row in repeated])
    return [
        _Part(MapRole.TARGET, encode(target), [NOBODY] * len(target)),
        _Part(MapRole.CANDIDATE, pool.X[shown].astype(np.float64), pool.ids[shown], shown),
        _Part(MapRole.CANDIDATE, again, [NOBODY] * len(repeated), [index for index, _ in repeated]),
        _Part(MapRole.LABELLED, encode(snapshot.train.rows), snapshot.train.ids),
        _Part(MapRole.VALIDATION, encode(snapshot.validation.rows), snapshot.validation.ids),
        _Part(MapRole.PENDING, encode(snapshot.pending.rows), snapshot.pending.ids),
    ]


def _ranked_as(part: _Part) -> Sequence[int] | IntArray:
    return [NOBODY] * len(part.X) if part.pool_rows is None else part.pool_rows


def _joined(columns: Sequence[Sequence[int] | IntArray]) -> IntArray:
    return np.concatenate([np.asarray(column, dtype=np.int64) for column in columns])


def _features(surrogate: Surrogate, X: AnyMatrix, device: torch.device) -> FloatArray:
    network = surrogate.network.to(device)
    rows = torch.from_numpy(X).to(network.weights[0])
    features: FloatArray = hidden_contributions(network, rows).double().cpu().numpy()
    return features


def _half_width(surrogate: Surrogate, X: AnyMatrix) -> FloatArray | None:
    """None with too few labels for an interval of this level, or from an old surrogate."""
    try:
        return surrogate.mean_and_half_width_encoded(X, INTERVAL_LEVEL)[1]
    except LossValError:
        return None
