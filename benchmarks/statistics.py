"""Means over paired repetitions with their intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Estimate:
    """A mean and the half width of its 95 % interval; NaN with a single repetition."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return (
            f"{self.mean:.3f}" if math.isnan(self.half_width) else f"{self.mean:.3f} ± {self.half_width:.3f}"
        )


def estimate(records: Iterable[Mapping[str, Any]], figure: str) -> Estimate:
    """Mean of a figure over all records; the interval is over the repetitions.

    Records of one repetition share rows and noise, so they are averaged first: data sets and rates are what
    was asked for, not a sample of anything, and only the draws vary.

    Args:
        records: each with `repetition` and the figure.
        figure: name of the figure.
    """
    by_repetition: dict[int, list[float]] = defaultdict(list)
    for record in records:
        by_repetition[record["repetition"]].append(record[figure])
    return mean_and_interval([float(np.mean(values)) for values in by_repetition.values()])


def mean_and_interval(numbers: list[float]) -> Estimate:
    """Mean of independent numbers and its two-sided 95 % Student interval."""
    count = len(numbers)
    if count < 2:
        return Estimate(numbers[0] if numbers else math.nan, math.nan)
    quantile = float(student.ppf(0.975, count - 1))
    return Estimate(float(np.mean(numbers)), quantile * float(np.std(numbers, ddof=1)) / math.sqrt(count))
