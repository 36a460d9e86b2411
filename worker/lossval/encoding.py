"""From rows of named design features to the standardised matrix that networks and transport work on.

One encoder, fitted on training rows, serves training, target-domain and candidate rows alike, and is stored
with the surrogate, so that a prediction can never be made with another scaling than the training's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from worker.lossval.errors import LossValError

Kind = Literal["continuous", "integer", "categorical", "boolean"]
Value = float | int | bool | str | None
Row = Mapping[str, Value]
Matrix = NDArray[np.float64]

# Relative to the column's magnitude: below this a standard deviation is rounding, and dividing by it
# would blow noise up to unit size.
_CONSTANT = 1e-9


@dataclass(frozen=True)
class FeatureSpec:
    """One design feature: its name, kind, and for categorical features the categories known beforehand."""

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise LossValError(
                f"feature '{self.name}' has the unknown kind '{self.kind}'; use one of {', '.join(get_args(Kind))}"
            )
        if len(set(self.categories)) != len(self.categories):
            raise LossValError(f"feature '{self.name}' names a category twice; name each once")


@dataclass(frozen=True)
class _Scaling:
    """Training mean and standard deviation of one numeric column; `missing` adds an indicator column."""

    mean: float
    scale: float
    missing: bool


class FeatureEncoder:
    """Standardised numerics and booleans, one-hot categories, missing-value indicators.

    - continuous, integer, boolean (0/1): (x - training mean) / training sd; a constant column keeps scale 1.
    - a missing number (None) takes the training mean, so 0 after scaling; if the training rows miss any,
      a column `<name>=missing` of 0/1 follows.
    - categorical: one 0/1 column `<name>=<category>` per category; unknown or missing gives zeros. Without
      categories in the specification those of the training rows are taken, sorted.
    """

    def __init__(
        self,
        features: Sequence[FeatureSpec],
        scalings: Mapping[str, _Scaling],
        categories: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.features = tuple(features)
        self._scalings = dict(scalings)
        self._categories = dict(categories)

    @classmethod
    def fit(cls, features: Sequence[FeatureSpec], rows: Sequence[Row]) -> Self:
        """Learn means, scales and categories from the training rows only.

        Args:
            features: at least one specification, names unique.
            rows: n >= 1 training rows; a name that a row lacks counts as missing.

        Raises:
            LossValError: no feature, no row, a name twice, or a value that is no finite number.
        """
        _check_features(features, rows)
        scalings: dict[str, _Scaling] = {}
        categories: dict[str, tuple[str, ...]] = {}
        for feature in features:
            if feature.kind == "categorical":
                present = {str(row[feature.name]) for row in rows if row.get(feature.name) is not None}
                categories[feature.name] = feature.categories or tuple(sorted(present))
            else:
                scalings[feature.name] = _fit_scaling(_numbers(feature.name, rows))
        return cls(features, scalings, categories)

    @property
    def columns(self) -> list[str]:
        """Names of the d encoded columns, in order."""
        names: list[str] = []
        for feature in self.features:
            if feature.kind == "categorical":
                names += [f"{feature.name}={category}" for category in self._categories[feature.name]]
            else:
                missing = [f"{feature.name}=missing"] if self._scalings[feature.name].missing else []
                names += [feature.name, *missing]
        return names

    def transform(self, rows: Sequence[Row]) -> Matrix:
        """Encode rows.

        Returns:
            (n, d) float64, finite. O(n d); about half a second for 100,000 rows of 15 features.

        Raises:
            LossValError: a value of a numeric feature is no finite number.
        """
        blocks = [self._encode(feature, rows) for feature in self.features]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(rows), 0))

    def _encode(self, feature: FeatureSpec, rows: Sequence[Row]) -> Matrix:
        if feature.kind == "categorical":
            return _one_hot(feature.name, self._categories[feature.name], rows)
        scaling = self._scalings[feature.name]
        numbers = _numbers(feature.name, rows)
        missing = np.isnan(numbers)
        scaled = np.where(missing, 0.0, (numbers - scaling.mean) / scaling.scale)
        return np.stack([scaled, missing.astype(np.float64)], axis=1) if scaling.missing else scaled[:, None]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; floats survive the round trip through JSON exactly."""
        return {
            "features": [
                {"name": f.name, "kind": f.kind, "categories": list(f.categories)} for f in self.features
            ],
            "scalings": {
                name: {"mean": s.mean, "scale": s.scale, "missing": s.missing}
                for name, s in self._scalings.items()
            },
            "categories": {name: list(known) for name, known in self._categories.items()},
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The encoder that `to_dict` described.

        Raises:
            LossValError: the state is not one that `to_dict` writes.
        """
        try:
            features = [FeatureSpec(f["name"], f["kind"], tuple(f["categories"])) for f in state["features"]]
            scalings = {
                name: _Scaling(float(s["mean"]), float(s["scale"]), bool(s["missing"]))
                for name, s in state["scalings"].items()
            }
            categories = {name: tuple(known) for name, known in state["categories"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise LossValError(
                "the stored feature encoder is incomplete; train the surrogate again"
            ) from error
        return cls(features, scalings, categories)


def _check_features(features: Sequence[FeatureSpec], rows: Sequence[Row]) -> None:
    if not features:
        raise LossValError("no features; declare at least one in the campaign's feature schema")
    if not rows:
        raise LossValError("no rows to fit the feature scaling on; add labelled training samples")
    names = [feature.name for feature in features]
    if len(set(names)) != len(names):
        raise LossValError("two features have the same name; give each its own")


def _numbers(name: str, rows: Sequence[Row]) -> Matrix:
    """(n,) values of one numeric feature, NaN where the row has None."""
    values = [row.get(name) for row in rows]
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        position = next(i for i, value in enumerate(values) if not _is_number(value))
        raise LossValError(
            f"row {position}: feature '{name}' is {values[position]!r}, not a number; "
            "correct the value or leave it out as missing"
        ) from error
    for position in np.flatnonzero(~np.isfinite(numbers)).tolist():
        if values[position] is not None:
            raise LossValError(
                f"row {position}: feature '{name}' is {values[position]!r}; use null for a missing value"
            )
    return numbers


def _is_number(value: Value) -> bool:
    try:
        np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _fit_scaling(numbers: Matrix) -> _Scaling:
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return _Scaling(mean=0.0, scale=1.0, missing=True)
    mean, sd = float(known.mean()), float(known.std())
    constant = sd <= _CONSTANT * max(abs(mean), float(np.abs(known).max()))
    return _Scaling(mean, 1.0 if constant else sd, missing=known.size < numbers.size)


def _one_hot(name: str, categories: tuple[str, ...], rows: Sequence[Row]) -> Matrix:
    index = {category: position for position, category in enumerate(categories)}
    values = [row.get(name) for row in rows]
    # plain text, which is what a million rows hold, needs no call for each
    codes = np.array(
        [index.get(value, -1) if type(value) is str else _code(index, value) for value in values],
        dtype=np.intp,
    )
    # The extra last column takes unknown and missing (code -1) and is cut off.
    return np.eye(len(categories) + 1)[codes, : len(categories)]


def _code(index: Mapping[str, int], value: Value) -> int:
    return -1 if value is None else index.get(str(value), -1)
