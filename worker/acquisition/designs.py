"""Designs as points: which ones are the same, and how far a candidate is from what was tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.acquisition.problem import FloatArray, IntArray
from worker.acquisition.reasons import Novelty

# Encoded features are standardised: designs that differ by less than about this share of a standard
# deviation in every feature are one design.
SAME_DESIGN = 1e-5
HASH_ROWS = 65_536
REFERENCE_ROWS = 1000
NEIGHBOURS = 3
BLOCK_ENTRIES = 20_000_000


@dataclass(frozen=True)
class Surroundings:
    """The labelled neighbours of each of b rows.

    Attributes:
        nearest: (b, k) rows of the k = min(3, n) nearest labelled samples, the nearest first.
        distance: (b, k) to them, root mean square over the columns, in their units (standard deviations).
        novelty: class of the least distance among the labelled samples' own nearest-neighbour distances: up to
            their median is close, above their 90 % quantile is far.
    """

    nearest: IntArray
    distance: FloatArray
    novelty: tuple[Novelty, ...]


def design_ids(*matrices: npt.NDArray[np.floating]) -> list[IntArray]:
    """Equal ids for equal normalised planned features, across all matrices.

    An id is a 64-bit hash of the rounded row. Two different designs among N get the same one, and one of them
    is not proposed in this round, with probability N^2 / 2^65: 3e-8 for a million. The source is one of the
    encoded features, so a test and a simulation of one design differ.

    Args:
        matrices: each (rows, d), encoded by the same transform and of the same floating type.

    Returns:
        One (rows,) array of ids for each matrix. O(N d) in all rows together; memory one id for each row.
    """
    return [_row_hashes(matrix) for matrix in matrices]


def _row_hashes(matrix: npt.NDArray[np.floating]) -> IntArray:
    starts = range(0, len(matrix), HASH_ROWS)
    blocks = [_block_hashes(matrix[start : start + HASH_ROWS]) for start in starts]
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)


def _block_hashes(block: npt.NDArray[np.floating]) -> IntArray:
    """Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over the columns, one after the other."""
    # + 0.0 turns -0.0 into 0.0, which the comparison of bits would tell apart
    rounded = np.round(block.astype(np.float64) / SAME_DESIGN) + 0.0
    hashes = np.full(len(block), block.shape[1], dtype=np.uint64)
    for column in np.ascontiguousarray(rounded.T).view(np.uint64):
        hashes = (hashes ^ column) + np.uint64(0x9E3779B97F4A7C15)  # overflow is meant
        hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashes ^= hashes >> np.uint64(31)
    return hashes.view(np.int64)


def surroundings(rows: FloatArray, labelled: FloatArray) -> Surroundings:
    """Nearest labelled samples of each row; at most 1,000 labelled rows serve as the yardstick of "far".

    Args:
        rows: (b, d) encoded designs.
        labelled: (n, d), n >= 1.

    Cost: O((b + min(n, 1000)) n d) time, bounded memory.
    """
    nearest, distance = _nearest(rows, labelled, NEIGHBOURS)
    yardstick = np.unique(np.linspace(0, len(labelled) - 1, REFERENCE_ROWS).astype(np.int64))
    _, own = _nearest(labelled[yardstick], labelled, 1, own_rows=yardstick)
    near, far = np.quantile(own, [0.5, 0.9]) if len(labelled) > 1 else (0.0, np.inf)
    return Surroundings(nearest, distance, tuple(_novelty(one, near, far) for one in distance[:, 0]))


def _novelty(distance: float, near: float, far: float) -> Novelty:
    if distance > far:
        return Novelty.FAR
    return Novelty.CLOSE if distance <= near else Novelty.MODERATE


def _nearest(
    rows: FloatArray, labelled: FloatArray, count: int, *, own_rows: IntArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Indices of and distances to the nearest labelled rows; `own_rows` are the rows' own indices, left out."""
    count = min(count, len(labelled))
    nearest = np.empty((len(rows), count), dtype=np.int64)
    distance = np.empty((len(rows), count))
    size = max(1, BLOCK_ENTRIES // labelled.size)
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        squares = np.mean((block[:, None, :] - labelled[None, :, :]) ** 2, axis=2)
        if own_rows is not None:
            squares[np.arange(len(block)), own_rows[start : start + size]] = np.inf
        found = np.argsort(squares, axis=1, kind="stable")[:, :count]
        nearest[start : start + size] = found
        distance[start : start + size] = np.sqrt(np.take_along_axis(squares, found, axis=1))
    return nearest, distance
