"""A table in memory: named columns of one kind each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.errors import InputError

Kind = Literal["number", "boolean", "text"]
Cell = float | bool | str | None
# Beyond this a number is no measurement but a code, and squares of it swamp all others.
LARGEST_NUMBER = 1e15


@dataclass(frozen=True)
class Column:
    """One column of n cells.

    Attributes:
        kind: what its cells are.
        values: (n,) float64 with NaN for a missing number, or objects (bool or str) with None.
        problem: why the column cannot be used, in words that follow its name; empty if it can.
    """

    kind: Kind
    values: NDArray[Any]
    problem: str = ""

    def missing(self) -> NDArray[np.bool_]:
        """(n,) True where a cell has no value."""
        if self.kind == "number":
            return np.isnan(np.asarray(self.values, dtype=np.float64))
        return absent(self.values)


@dataclass(frozen=True)
class Table:
    """What was read from one file.

    Attributes:
        name: how the user named the file; errors begin with it.
        columns: in the order of the file.
        rows: number of rows; a row is named by its index from 0, the header not counted.
    """

    name: str
    columns: Mapping[str, Column]
    rows: int

    def column(self, name: str) -> Column:
        """One column; cells may be missing.

        Raises:
            InputError: there is none of this name, or it holds what is neither number, boolean nor text.
        """
        if name not in self.columns:
            raise self.error(f"there is no column '{name}'", did_you_mean(name, list(self.columns)))
        column = self.columns[name]
        if column.problem:
            hint = f"Correct it, or leave the column out: --ignore {name}."
            raise self.error(f"column '{name}' {column.problem}", hint)
        return column

    def complete(self, name: str, *, ignorable: bool = True) -> Column:
        """One column in which every cell has a value and every number is finite and at most 1e15.

        Args:
            name: of the column.
            ignorable: whether the user could do without it; the hint then says how.

        Raises:
            InputError: otherwise; it names the first row that is wrong.
        """
        column = self.column(name)
        hint = "Correct it or remove the row" + (
            f", or leave the column out: --ignore {name}." if ignorable else "."
        )
        for wrong, what in _flaws(column):
            if wrong.any():
                first, count = int(wrong.argmax()), int(wrong.sum())
                others = f", one of {count} such rows" if count > 1 else ""
                raise self.error(f"row {first} (counted from 0), column '{name}': {what}{others}", hint)
        return column

    def records(self, names: Sequence[str]) -> list[dict[str, Cell]]:
        """Rows of the named complete columns as dictionaries. O(rows x names)."""
        columns = [self.complete(name).values.tolist() for name in names]
        return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]

    def error(self, message: str, hint: str = "") -> InputError:
        # Names of Parquet columns may hold line ends; an error is one line.
        return InputError(" ".join(f"{self.name}: {message}.".split()), hint=" ".join(hint.split()))


def _flaws(column: Column) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """(n,) True where a cell is wrong, and what is wrong there."""
    yield column.missing(), "has no value (empty or NaN)"
    if column.kind == "number":
        yield np.isinf(column.values), "is infinite"
        yield np.abs(column.values) > LARGEST_NUMBER, f"is beyond {LARGEST_NUMBER:g}"


def absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) True where an object is None."""
    return np.fromiter((value is None for value in values), dtype=np.bool_, count=len(values))


def check_names(table: str, names: Sequence[str]) -> None:
    """Raises InputError unless there are columns and each has a name of its own."""
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        if not name:
            hint = "Name it in the header, or remove it."
            raise InputError(f"{table}: column {position} has no name.", hint=hint)
        if name in seen:
            raise InputError(f"{table}: column '{name}' stands twice.", hint="Rename or remove one.")
        seen.add(name)
    if not names:
        raise InputError(f"{table} has no columns.", hint="Export it again.")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A hint with the closest known name, else with the first ones."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    more = ", ..." if len(known) > 12 else ""
    return f"Columns are: {', '.join(known[:12])}{more}."
