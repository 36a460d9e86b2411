"""Pure: what is suspicious about a campaign's data before any network sees it.

Repeated designs, near-repeated ones, holdout designs that stand in the pool in all but name, values and
labels far from all others. A finding is a hint for people: nothing is changed, and LossVal judges labels
better once it has trained. Cost: O(n log n) in the samples and O(n d^2) in the features.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.samples.hygiene_report import (
    FeatureOutlier,
    HoldoutLeak,
    HygieneReport,
    HygieneRow,
    LabelOutlier,
    Repetition,
)

Array: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.int64]
Kind: TypeAlias = str

HOLDOUT = "holdout"
# Two designs are nearly one when no number differs by more than this share of its spread.
NEAR = 0.01
# Iglewicz and Hoaglin 1993: a modified z score above 3.5 is an outlier. Among many samples, chance alone
# reaches further: the limit grows so that one clean normal column gives a finding in 100 campaigns.
LEAST_Z = 3.5
FALSE_ALARM = 0.01
# Below, a linear fit follows its own points.
SAMPLES_PER_COLUMN = 5
MOST_LEVELS = 20
MOST_IDS = 100
RIDGE = 1e-3


def inspect(rows: Sequence[HygieneRow], kinds: Mapping[str, Kind], *, limit: int = 50) -> HygieneReport:
    """Look at all samples of a campaign.

    Args:
        rows: n samples, in the order of their ids.
        kinds: feature to continuous, integer, categorical or boolean.
        limit: longest list of one kind of finding.

    Returns:
        The findings, worst first; the same rows give the same report.
    """
    table = _Table.of(rows, kinds)
    exact, near = _repetitions(rows, table)
    leaks = [*_group_leaks(rows), *_near_leaks(rows, table)]
    outliers = _feature_outliers(rows, table)
    labels, notes = _label_outliers(rows, table)
    definitions = Counter(row.label_definition for row in rows if row.label_definition)
    if len(definitions) > 1:
        notes.append(
            "Labels follow several definitions: a model learns their differences as if they were physics."
        )
    without = sum(row.split == HOLDOUT and row.group is None for row in rows)
    if without:
        notes.append(
            f"{without} holdout samples name no group: that their platform is in the pool cannot be told."
        )
    findings: dict[str, Sequence[Any]] = {
        "duplicates": exact, "near_duplicates": near, "holdout_leaks": leaks, "feature_outliers": outliers,
        "label_outliers": labels,
    }  # fmt: skip
    return HygieneReport(
        samples=len(rows),
        counts={name: len(found) for name, found in findings.items()},
        duplicates=exact[:limit],
        near_duplicates=near[:limit],
        holdout_leaks=leaks[:limit],
        feature_outliers=outliers[:limit],
        label_outliers=labels[:limit],
        label_definitions=dict(sorted(definitions.items())),
        notes=notes,
    )


def outliers(
    rows: Sequence[HygieneRow], kinds: Mapping[str, Kind]
) -> tuple[list[FeatureOutlier], list[LabelOutlier]]:
    """Values and labels far from all others, worst first; the same as in `inspect` of these rows."""
    table = _Table.of(rows, kinds)
    return _feature_outliers(rows, table), _label_outliers(rows, table)[0]


@dataclass(frozen=True)
class _Table:
    """Rows as arrays: (n, p) numbers with NaN for missing, (n, q) of everything else that must be equal."""

    names: list[str]
    numbers: Array
    centre: Array
    spread: Array
    marks: Index
    levels: Index

    @classmethod
    def of(cls, rows: Sequence[HygieneRow], kinds: Mapping[str, Kind]) -> _Table:
        names = [name for name, kind in kinds.items() if kind in {"continuous", "integer"}]
        others = [name for name, kind in kinds.items() if kind not in {"continuous", "integer"}]
        # None becomes NaN on the way.
        columns = [np.array([row.features.get(name) for row in rows], dtype=np.float64) for name in names]
        numbers = np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))
        words = [_coded([str(row.features.get(name)) for row in rows]) for name in others]
        levels = np.stack(words, axis=1) if words else np.zeros((len(rows), 0), dtype=np.int64)
        sources = _coded([row.source for row in rows])[:, None]
        marks = np.concatenate([sources, levels, np.isnan(numbers)], axis=1)
        centred = np.array([_centre_and_spread(column) for column in numbers.T]).reshape(-1, 2)
        return cls(names, numbers, centred[:, 0], centred[:, 1], marks, levels)

    @cached_property
    def codes(self) -> Index:
        """(n,): one number for all rows that are equal in what must be; sorting them is the dearest part of all."""
        return _row_codes(self.marks)

    def coordinates(self) -> Array:
        """(n, p + 1): within 1 of each other in every coordinate means nearly the same design."""
        scale = np.where(self.spread > 0, NEAR * self.spread, 1.0)
        # From the column's middle: an offset would cost digits of what is compared.
        near = np.nan_to_num((self.numbers - self.centre) / scale, nan=0.0)
        return np.concatenate([near, 4.0 * self.codes[:, None]], axis=1)


def _coded(words: Sequence[str]) -> Index:
    return np.unique(np.array(words, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)


def _row_codes(table: NDArray[Any]) -> Index:
    """One number per distinct row, O(n log n)."""
    return np.unique(table, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _centre_and_spread(values: Array) -> tuple[float, float]:
    """Median and 1.4826 MAD; where more than half are equal, 1.2533 times the mean distance from the median."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 0.0
    median = float(np.median(known))
    distance = np.abs(known - median)
    return median, float(1.4826 * np.median(distance)) or float(1.2533 * distance.mean())


def _limit_z(samples: int) -> float:
    return max(LEAST_Z, NormalDist().inv_cdf(1.0 - FALSE_ALARM / (2.0 * max(samples, 2))))


def _repetitions(rows: Sequence[HygieneRow], table: _Table) -> tuple[list[Repetition], ...]:
    """Samples with the same design, and distinct designs that are nearly the same."""
    if not rows:
        return [], []
    points = np.concatenate([np.nan_to_num(table.numbers, nan=0.0), table.codes[:, None]], axis=1)
    design = _row_codes(points)
    first = np.unique(design, return_index=True)[1]
    alike = _members(design)  # of design code 0, 1, ...: `first` has the same order
    exact = [_not_on_purpose(rows, members) for members in alike]
    near = [
        _not_on_purpose(rows, np.concatenate([alike[code] for code in cluster]))
        for cluster in _clusters(table.coordinates()[first])
    ]
    return tuple(
        _worst_first([_repetition(rows, members) for members in found if len(members) > 1])
        for found in (exact, near)
    )


def _not_on_purpose(rows: Sequence[HygieneRow], members: Index) -> Index:
    """The members without those that repeat another one of them because somebody wanted them to."""
    if members.size < 2:
        return members
    present = {rows[position].id for position in members.tolist()}
    return members[[rows[position].repeats_sample_id not in present for position in members.tolist()]]


def _members(codes: Index) -> list[Index]:
    """Positions of each code."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _clusters(points: Array) -> list[Index]:
    """Groups of points that hang together by steps to a nearest neighbour within 1 in every coordinate.

    One neighbour per point keeps the pairs linear in n, whatever the data are.
    """
    from scipy.sparse import (
        coo_array,
    )  # late, as a web process that is not asked for hygiene need not hold it
    from scipy.sparse.csgraph import connected_components

    if len(points) < 2:
        return []
    distance, neighbour = _nearest(points, points, k=2)
    found = np.flatnonzero(np.isfinite(distance[:, 1]))
    # The point itself may come second, when another one lies at distance 0.
    other = np.where(neighbour[found, 1] == found, neighbour[found, 0], neighbour[found, 1])
    graph = coo_array((np.ones(found.size), (found, other)), shape=(len(points), len(points)))
    labels = connected_components(graph, directed=False)[1].astype(np.int64)
    return [members for members in _members(labels) if len(members) > 1]


def _nearest(points: Array, wanted: Array, k: int) -> tuple[Array, Index]:
    """(m, k) distances and positions of the k nearest points within 1 in every coordinate; else infinity."""
    from scipy.spatial import cKDTree

    # Not balanced by medians: on columns with many equal values that degenerates.
    tree = cKDTree(points, balanced_tree=False)
    distance, neighbour = tree.query(
        wanted, k=list(range(1, k + 1)), p=np.inf, distance_upper_bound=1.0 + 1e-9
    )
    return np.asarray(distance, dtype=np.float64), np.asarray(neighbour, dtype=np.int64)


def _repetition(rows: Sequence[HygieneRow], members: Index) -> Repetition:
    found = [rows[position] for position in sorted(members.tolist())]
    targets = [row.target for row in found if row.target is not None]
    splits = sorted({row.split for row in found})
    return Repetition(
        size=len(found),
        sample_ids=[row.id for row in found[:MOST_IDS]],
        splits=splits,
        target_spread=max(targets) - min(targets) if len(targets) > 1 else None,
        in_holdout_and_elsewhere=HOLDOUT in splits and len(splits) > 1,
    )


def _worst_first(found: list[Repetition]) -> list[Repetition]:
    return sorted(
        found,
        key=lambda item: (
            not item.in_holdout_and_elsewhere, -(item.target_spread or 0.0), -item.size, item.sample_ids,
        ),
    )  # fmt: skip


def _group_leaks(rows: Sequence[HygieneRow]) -> list[HoldoutLeak]:
    """Groups on both sides of the holdout, also under another spelling (`16-03`, `16_3`)."""
    sides: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ids: dict[str, list[int]] = defaultdict(list)
    plain = {row.group: _spelt(row.group) for row in rows if row.group is not None}
    for row in rows:
        if row.group is not None:
            sides[plain[row.group]][row.group].add(row.split)
            ids[plain[row.group]].append(row.id)
    leaks = []
    for name, spellings in sides.items():
        splits = set().union(*spellings.values())
        if HOLDOUT in splits and len(splits) > 1:
            same = any(HOLDOUT in found and len(found) > 1 for found in spellings.values())
            reason = "a group in the holdout and elsewhere" if same else "one group under several spellings"
            leaks.append(HoldoutLeak(reason, sorted(spellings), len(ids[name]), ids[name][:MOST_IDS]))
    return sorted(leaks, key=lambda leak: (-leak.size, leak.groups))


def _spelt(group: str) -> str:
    parts = re.findall(r"[^\W\d_]+|\d+", group.casefold())
    return "-".join(part.lstrip("0") or "0" if part.isdigit() else part for part in parts)


def _near_leaks(rows: Sequence[HygieneRow], table: _Table) -> list[HoldoutLeak]:
    """Holdout designs with a twin, or nearly one, in another split."""
    is_holdout = np.array([row.split == HOLDOUT for row in rows], dtype=bool)
    inside, outside = np.flatnonzero(is_holdout), np.flatnonzero(~is_holdout)
    if not inside.size or not outside.size or not table.names:
        return []
    points = table.coordinates()
    distance, neighbour = _nearest(points[outside], points[inside], k=1)
    leaks = []
    for found in np.flatnonzero(np.isfinite(distance[:, 0])).tolist():
        pair = [rows[int(inside[found])], rows[int(outside[neighbour[found, 0]])]]
        groups = sorted({row.group for row in pair if row.group is not None})
        reason = "a holdout design that is (nearly) in another split"
        leaks.append(HoldoutLeak(reason, groups, 2, [row.id for row in pair]))
    return leaks


def _feature_outliers(rows: Sequence[HygieneRow], table: _Table) -> list[FeatureOutlier]:
    found = []
    measures = zip(table.names, table.numbers.T, table.centre.tolist(), table.spread.tolist(), strict=True)
    for name, column, median, spread in measures:
        if spread == 0:
            continue
        z = (column - median) / spread
        far = np.abs(z) > _limit_z(int(np.isfinite(column).sum()))
        for position in np.flatnonzero(far).tolist():
            row = rows[position]
            found.append(
                FeatureOutlier(
                    row.id, row.external_id, name, float(column[position]), median, float(z[position])
                )
            )
    return sorted(found, key=lambda item: (-abs(item.z), item.sample_id, item.feature))


def _label_outliers(rows: Sequence[HygieneRow], table: _Table) -> tuple[list[LabelOutlier], list[str]]:
    labelled = np.array(
        [position for position, row in enumerate(rows) if row.target is not None], dtype=np.int64
    )
    if labelled.size < 3:
        return [], ["Fewer than 3 labels: none is judged."]
    targets = np.array([rows[position].target for position in labelled], dtype=np.float64)
    found = []
    sources = _coded([rows[position].source for position in labelled])
    for members in _members(sources):
        median, spread = _centre_and_spread(targets[members])
        expected = np.full(members.size, median)
        found += _judged(
            rows, labelled[members], targets[members], expected, spread, "far from all other labels"
        )
    design = _design_matrix(table, labelled, sources)
    if labelled.size < SAMPLES_PER_COLUMN * design.shape[1]:
        note = f"{labelled.size} labels are too few to fit {design.shape[1]} columns: none is held against its design."
        return _once_each(found), [note]
    residual = _left_out_residuals(design, targets)
    spread = _centre_and_spread(residual)[1]
    reason = "far from what a linear fit of the others expects"
    found += _judged(rows, labelled, targets, targets - residual, spread, reason)
    return _once_each(found), []


def _judged(
    rows: Sequence[HygieneRow], positions: Index, targets: Array, expected: Array, spread: float, reason: str
) -> list[LabelOutlier]:
    if spread == 0:
        return []
    z = (targets - expected) / spread
    far = np.flatnonzero(np.abs(z) > _limit_z(targets.size)).tolist()
    return [
        LabelOutlier(row.id, row.external_id, float(targets[i]), float(expected[i]), float(z[i]), reason)
        for i, row in ((i, rows[positions[i]]) for i in far)
    ]


def _once_each(found: list[LabelOutlier]) -> list[LabelOutlier]:
    """The strongest reason of each sample, worst first."""
    ordered = sorted(found, key=lambda item: (-abs(item.z), item.sample_id))
    return list({item.sample_id: item for item in reversed(ordered)}.values())[::-1]


def _design_matrix(table: _Table, rows: Index, sources: Index) -> Array:
    """(n, d): intercept, standardised numbers with their missing marks, the commonest levels and sources."""
    columns = [np.ones(rows.size)]
    for values in table.numbers[rows].T:
        known = np.isfinite(values)
        if known.any() and (spread := float(values[known].std())) > 0:
            columns.append(np.where(known, (values - values[known].mean()) / spread, 0.0))
        if 0 < known.sum() < rows.size:
            columns.append(1.0 - known)
    for levels in (*table.levels[rows].T, sources):
        codes, counts = np.unique(levels, return_counts=True)
        common = codes[np.argsort(-counts, kind="stable")][
            1 : MOST_LEVELS + 1
        ]  # the commonest is the intercept
        columns += [(levels == code).astype(np.float64) for code in common]
    return np.stack(columns, axis=1)


def _left_out_residuals(design: Array, targets: Array) -> Array:
    """Residual of each label against the ridge fit of all others: e / (1 - h), O(n d^2)."""
    gram = design.T @ design
    inverse = np.linalg.inv(gram + RIDGE * np.eye(len(gram)))
    residual = targets - design @ (inverse @ (design.T @ targets))
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design, optimize=True)
    left_out: Array = residual / np.maximum(1.0 - leverage, 1e-6)
    return left_out
