"""What goes into a look at a campaign's data, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HygieneRow:
    """One sample as it is looked at; executed features where there are any."""

    id: int
    external_id: str | None
    split: str
    status: str
    source: str
    group: str | None
    features: Mapping[str, Any]
    target: float | None
    label_definition: str | None
    repeats_sample_id: int | None = None


@dataclass(frozen=True)
class Repetition:
    """Samples of one source with the same design, or nearly the same; `sample_ids` names the first of them.

    Tests that are repeated on purpose are left out.
    """

    size: int
    sample_ids: list[int]
    splits: list[str]
    target_spread: float | None
    in_holdout_and_elsewhere: bool


@dataclass(frozen=True)
class HoldoutLeak:
    """A way in which the holdout is not independent: its error would be measured too low."""

    reason: str
    groups: list[str]
    size: int
    sample_ids: list[int]


@dataclass(frozen=True)
class FeatureOutlier:
    """A value far from the others of its feature, in robust standard deviations."""

    sample_id: int
    external_id: str | None
    feature: str
    value: float
    median: float
    z: float


@dataclass(frozen=True)
class LabelOutlier:
    """A label far from the others of its source, or from what a linear fit of the others expects."""

    sample_id: int
    external_id: str | None
    target: float
    expected: float
    z: float
    reason: str


@dataclass(frozen=True)
class HygieneReport:
    """All findings; `counts` is complete where a list is cut to its worst entries."""

    samples: int
    counts: dict[str, int]
    duplicates: list[Repetition]
    near_duplicates: list[Repetition]
    holdout_leaks: list[HoldoutLeak]
    feature_outliers: list[FeatureOutlier]
    label_outliers: list[LabelOutlier]
    label_definitions: dict[str, int]
    notes: list[str]
