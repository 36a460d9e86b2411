"""Whether a design lies where the surrogate has data: pure numpy.

The distance of a design is that to its nearest labelled design, root mean square over the encoded features (which are
in standard deviations of the training data). The limit is what 99 % of the labelled designs keep to their own nearest
neighbour. Beyond it, and for a category that no labelled design has, a prediction is an extrapolation, and its
interval, which was calibrated on designs like the labelled ones, promises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from service.predictions.encoding import Matrix

QUANTILE = 0.99
MOST_ROWS = 2000  # more labelled rows describe the support no better, and each costs a distance per design
_BLOCK = 1024
_SLACK = 1e-9
_LEAST_LIMIT = 1e-6  # where all labelled designs are equal


@dataclass(frozen=True)
class Outside:
    """Of n designs.

    Attributes:
        ratio: (n,) distance over the limit; above 1 is outside of the support.
        is_outside: (n,) that, or a category without any data.
        features: of each design the features whose values no labelled design reaches.
    """

    ratio: Matrix
    is_outside: npt.NDArray[np.bool_]
    features: list[list[str]]


@dataclass(frozen=True)
class Support:
    """The labelled designs of a surrogate, (n, d) encoded, at most `MOST_ROWS` of them."""

    rows: Matrix
    columns: Sequence[tuple[str, bool]]
    limit: float

    @classmethod
    def of(cls, rows: Matrix, columns: Sequence[tuple[str, bool]]) -> Self:
        """The support of n >= 1 labelled designs. O(n^2 d) for n up to `MOST_ROWS`."""
        kept = rows[
            np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(np.intp))
        ]
        own = _squares(kept, kept)
        np.fill_diagonal(own, np.inf)
        nearest = np.sqrt(own.min(axis=1)) if len(kept) > 1 else np.zeros(1)
        return cls(kept, columns, max(float(np.quantile(nearest, QUANTILE)), _LEAST_LIMIT))

    def judge(self, encoded: Matrix) -> Outside:
        """Where (m, d) designs lie. O(m n d) time, 8 MB for a block of them."""
        nearest = np.concatenate([
            _squares(encoded[start : start + _BLOCK], self.rows).min(axis=1)
            for start in range(0, len(encoded), _BLOCK)
        ])  # fmt: skip
        ratio = np.sqrt(nearest) / self.limit
        beyond = (encoded < self.rows.min(axis=0) - _SLACK) | (encoded > self.rows.max(axis=0) + _SLACK)
        by_nature = np.array([is_flag for _, is_flag in self.columns], dtype=np.bool_)
        return Outside(
            ratio, (ratio > 1) | beyond[:, by_nature].any(axis=1), [self._named(row) for row in beyond]
        )

    def _named(self, beyond: npt.NDArray[np.bool_]) -> list[str]:
        return list(dict.fromkeys(self.columns[place][0] for place in np.flatnonzero(beyond).tolist()))


def _squares(left: Matrix, right: Matrix) -> Matrix:
    """(m, n) mean squared differences over the columns."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.asarray(np.maximum(squares, 0.0) / left.shape[1])
