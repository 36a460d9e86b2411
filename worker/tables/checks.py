"""What a method needs of its columns, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError
from worker.lossval.encoding import FeatureSpec
from worker.lossval.encoding import Kind as FeatureKind
from worker.tables.model import Column, Kind, Table, did_you_mean

# Each category becomes a column of the encoded matrix.
MOST_CATEGORIES = 1000
_FEATURE_KIND: dict[Kind, FeatureKind] = {"number": "continuous", "boolean": "boolean", "text": "categorical"}


def check_same_features(reference: Table, other: Table, *, besides: Collection[str]) -> list[str]:
    """Names of the features, in the order of `reference`: all its columns but those in `besides`.

    Raises:
        InputError: no feature; the tables do not have the same features of the same kinds; a value is missing
            or not finite.
    """
    names = [name for name in reference.columns if name not in besides]
    if not names:
        raise reference.error("no feature column is left", "A table needs at least one beside the target.")
    for table, lacking in ((other, names), (reference, [n for n in other.columns if n not in besides])):
        missing = [name for name in lacking if name not in table.columns]
        if missing:
            whole = reference if table is other else other
            raise table.error(
                f"{_quoted(missing)} missing, which {whole.name} has",
                "Both tables need the same feature columns.",
            )
    for name in names:
        kinds = reference.complete(name).kind, other.complete(name).kind
        if kinds[0] != kinds[1]:
            raise other.error(
                f"column '{name}' is a {kinds[1]} column, in {reference.name} a {kinds[0]} column",
                "Write it the same way in both.",
            )
    return names


def check_ignored(ignore: Collection[str], *tables: Table) -> None:
    """Every name in `ignore` is a column of at least one table.

    Raises:
        InputError: one is not.
    """
    for name in ignore:
        if not any(name in table.columns for table in tables):
            raise tables[0].error(
                f"there is no column '{name}' to ignore", did_you_mean(name, list(tables[0].columns))
            )


def feature_specifications(table: Table, names: Sequence[str]) -> list[FeatureSpec]:
    """How the named columns are encoded.

    Raises:
        InputError: a text column with a different text in every row, or with more than 1,000.
    """
    return [_specification(table, name) for name in names]


def _specification(table: Table, name: str) -> FeatureSpec:
    column = table.complete(name)
    if column.kind == "text":
        different = len(set(column.values))
        hint = f"An identifier is no feature; leave it out: --ignore {name}."
        if different == table.rows > 1:
            raise table.error(f"column '{name}' has another text in every row", hint)
        if different > MOST_CATEGORIES:
            raise table.error(f"column '{name}' has {different} texts; {MOST_CATEGORIES} are allowed", hint)
    return FeatureSpec(name, _FEATURE_KIND[column.kind])


def number_target(table: Table, name: str, *, constant: bool = False) -> NDArray[np.float64]:
    """(n,) the target of a regression; `constant` allows it to be the same in every row.

    Raises:
        InputError: no such column, a value missing or infinite, not a number column, or constant.
    """
    column = table.complete(name, ignorable=False)
    if column.kind != "number":
        raise table.error(
            f"the target '{name}' is a {column.kind} column",
            "Regression needs numbers; `crashscout value` takes classes by --task classification.",
        )
    values = np.asarray(column.values, dtype=np.float64)
    if not constant and np.ptp(values) <= 1e-12 * np.abs(values).max():
        raise _constant(table, name, f"{values[0]:g}")
    return values


def _constant(table: Table, name: str, value: str) -> InputError:
    return table.error(f"the target '{name}' is {value} in every row", "Nothing can be learned from it.")


@dataclass(frozen=True)
class Classes:
    """The classes of a classification, sorted; a class is known by its position.

    Attributes:
        labels: as they stand in the training table.
        kind: of the training column.
    """

    labels: tuple[Any, ...]
    kind: Kind

    @classmethod
    def of(cls, table: Table, name: str) -> Classes:
        """The classes of a training table.

        Raises:
            InputError: no such column, a value missing, a single class, or more classes than half the rows.
        """
        column = table.complete(name, ignorable=False)
        labels = tuple(sorted(set(column.values.tolist())))
        if len(labels) == 1:
            raise _constant(table, name, repr(labels[0]))
        if len(labels) > max(2, table.rows // 2):
            raise table.error(
                f"the target '{name}' has {len(labels)} classes in {table.rows} rows",
                "For a measured number use --task regression.",
            )
        return cls(labels, column.kind)

    def indices(self, table: Table, name: str) -> NDArray[np.float64]:
        """(n,) position of each row's class.

        Raises:
            InputError: a class that the training table does not have.
        """
        column: Column = table.complete(name, ignorable=False)
        if column.kind != self.kind:
            raise table.error(
                f"the target '{name}' is a {column.kind} column, in the training table a {self.kind} column",
                "Write it the same way in both.",
            )
        position = {label: index for index, label in enumerate(self.labels)}
        for row, label in enumerate(column.values.tolist()):
            if label not in position:
                raise table.error(
                    f"row {row} (counted from 0): no training row has the class {label!r} of column '{name}'",
                    "Remove the row, or add such rows to the training table.",
                )
        return np.array([position[label] for label in column.values.tolist()], dtype=np.float64)


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:8]) + (", ..." if len(names) > 8 else "")
    return f"column{'s' if len(names) > 1 else ''} {shown} {'are' if len(names) > 1 else 'is'}"
