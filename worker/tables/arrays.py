"""From Arrow to numpy: the one place that knows how a missing cell looks in both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def number_array(cells: pa.ChunkedArray) -> NDArray[np.float64]:
    """(n,) float64, NaN for null."""
    numbers = pc.fill_null(pc.cast(cells, pa.float64(), safe=False), float("nan"))
    return np.array(numbers.to_numpy(), dtype=np.float64)


def object_array(cells: pa.ChunkedArray) -> NDArray[Any]:
    """(n,) Python objects, None for null."""
    values = np.empty(len(cells), dtype=object)
    values[:] = cells.to_pylist()
    return values
