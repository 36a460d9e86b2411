"""Repetitions among the candidates: a test whose label is doubtful competes with new designs in the same list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.groups import IntArray
from worker.loading import Snapshot
from worker.lossval.encoding import FeatureEncoder
from worker.round_rules import rows_of


@dataclass(frozen=True)
class Offer:
    """What a round chooses from: the m candidates of the pool, then r repetitions that are no samples yet.

    Attributes:
        X: (m + r, d) planned features as the encoder sees them.
        source_ids: (m + r,) of their sources.
        repeats: (m + r,) row of the labelled samples that each repeats, -1 for a new design; (0,) if none does.
        group: (m + r,) labels of their groups, or (0,).
        vetoed: rows that the configuration leaves out: repetitions in the pool, when it wants none.
    """

    X: NDArray[np.float32]
    source_ids: IntArray
    repeats: IntArray
    group: IntArray
    vetoed: list[int]


def offered(
    snapshot: Snapshot, doubted_ids: Iterable[int], encoder: FeatureEncoder, *, retests: bool
) -> Offer:
    """The pool, and where `retests` allow it a repetition of each doubted test that nothing has repeated yet.

    One repetition is enough: what a second label could not settle is for people to look at. A candidate that
    was made to repeat a test and was not acquired then is in the pool already.

    Args:
        snapshot: loaded with `encoder`.
        doubted_ids: samples whose label does not fit what the others say.
        encoder: that of the surrogate.
        retests: the configuration's.

    Cost: O(m + r); the pool is copied only when there is something to append.
    """
    pool, train = snapshot.pool, snapshot.train
    again = _repeatable(snapshot, doubted_ids) if retests else []
    marked = np.flatnonzero(pool.repeats >= 0)
    vetoed = [] if retests else marked.tolist()
    if not again and not marked.size:
        return Offer(pool.X, pool.source_ids, np.empty(0, dtype=np.int64), pool.group, vetoed)
    repeats = np.full(len(pool.ids), -1, dtype=np.int64)
    repeats[marked] = rows_of(pool.repeats[marked].tolist(), train.ids)
    planned = encoder.transform([train.planned[row] for row in again]).astype(np.float32)
    return Offer(
        X=np.concatenate([pool.X, planned]) if again else pool.X,
        source_ids=np.r_[pool.source_ids, [train.source_ids[row] for row in again]].astype(np.int64),
        repeats=np.r_[repeats, again].astype(np.int64),
        group=np.r_[pool.group, train.group[again]] if train.group.size else pool.group,
        vetoed=vetoed,
    )


def _repeatable(snapshot: Snapshot, doubted_ids: Iterable[int]) -> list[int]:
    """Rows of doubted tests; a repetition is not repeated in its turn."""
    doubted = set(doubted_ids) - snapshot.repeated_ids
    return [
        row
        for row, key in enumerate(snapshot.train.ids)
        if key in doubted and not snapshot.train.is_repetition[row]
    ]


def repetitions_under_way(snapshot: Snapshot) -> list[int]:
    """Rows of the labelled samples of which a repetition is pending."""
    repeated = [key for key in snapshot.pending.repeats if key is not None]
    return [row for row in rows_of(repeated, snapshot.train.ids) if row >= 0]
