"""The encoder of a stored surrogate, applied: pure numpy.

What it does is part of the artefact's format (version 2), which `worker/lossval/encoding.py` writes and documents;
`tests/worker/test_predictions.py` holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class StoredEncoder:
    """Rows of named features into the d columns of the network.

    Args:
        state: the entry `encoder` of the artefact.
    """

    state: Mapping[str, Any]

    @property
    def features(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """(name, kind, categories) as the campaign declared them."""
        return [(one["name"], one["kind"], tuple(one["categories"])) for one in self.state["features"]]

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Of each of the d columns the feature that it stands for, and whether it is 0 or 1 by nature."""
        found: list[tuple[str, bool]] = []
        for name, kind, _ in self.features:
            if kind == "categorical":
                found += [(name, True)] * len(self.state["categories"][name])
            else:
                found += [(name, False)] + [(name, True)] * self.state["scalings"][name]["missing"]
        return found

    def transform(self, rows: Sequence[Row]) -> Matrix:
        """(n, d) float64; what is missing or an unknown category takes the place that the training gave it. O(n d)."""
        blocks = [
            self._one_hot(name, rows) if kind == "categorical" else self._scaled(name, rows)
            for name, kind, _ in self.features
        ]
        return np.concatenate(blocks, axis=1)

    def _one_hot(self, name: str, rows: Sequence[Row]) -> Matrix:
        known = {category: place for place, category in enumerate(self.state["categories"][name])}
        codes = [
            known.get(value if value is None else str(value), -1) for value in (row.get(name) for row in rows)
        ]
        # the extra last column takes unknown and missing (code -1) and is cut off
        return np.eye(len(known) + 1)[np.array(codes, dtype=np.intp), : len(known)]

    def _scaled(self, name: str, rows: Sequence[Row]) -> Matrix:
        scaling = self.state["scalings"][name]
        numbers = np.array([row.get(name) for row in rows], dtype=np.float64)
        missing = np.isnan(numbers)
        scaled = np.where(missing, 0.0, (numbers - scaling["mean"]) / scaling["scale"])
        return np.stack([scaled, missing], axis=1) if scaling["missing"] else scaled[:, None]
