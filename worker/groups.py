"""Groups of samples as whole-numbered labels: a batch may have at most so many picks of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """What makes a group: equal planned values of `feature`, or where it is None the samples' own group."""

    feature: str | None

    def name(self, group: str | None, planned: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any feature value
        return group if self.feature is None else planned.get(self.feature)


class GroupCodes:
    """Numbers groups in the order in which they come; -1 is no group. Without a grouping there are no numbers."""

    def __init__(self, grouping: Grouping | None) -> None:
        self._grouping = grouping
        self._codes: dict[Any, int] = {None: -1}

    def of(self, groups: Iterable[str | None], planned: Iterable[Mapping[str, Any]]) -> IntArray:
        """(rows,) labels of the groups, or (0,) without a grouping."""
        if self._grouping is None:
            return np.empty(0, dtype=np.int64)
        names = map(self._grouping.name, groups, planned)
        codes = [self._codes.setdefault(name, len(self._codes) - 1) for name in names]
        return np.array(codes, dtype=np.int64)
