"""What the tables of `crashscout rank` and `crashscout backtest` have in common: prices, sources, target domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.tables import Table, did_you_mean
from worker.tables.model import Cell

Records = list[dict[str, Cell]]


def costs_of(table: Table, column: str | None) -> NDArray[np.float64]:
    """(n,) acquisition costs; 1 each without a column, so that money counts rows.

    Raises:
        InputError: no such column, no numbers, a price that is not above 0.
    """
    if column is None:
        return np.ones(table.rows)
    found = table.complete(column, ignorable=False)
    if found.kind != "number":
        raise table.error(f"the cost column '{column}' is a {found.kind} column", "Costs are numbers.")
    costs = np.asarray(found.values, dtype=np.float64)
    if (costs <= 0).any():
        row = int(np.argmax(costs <= 0))
        raise table.error(
            f"row {row} (counted from 0), column '{column}': {costs[row]:g} is no price",
            "Declare what each row costs, above 0.",
        )
    return costs


@dataclass(frozen=True)
class Sources:
    """The sources that a column names.

    Attributes:
        column: its name, or None: all rows are of one source.
        names: sorted.
    """

    column: str | None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, column: str | None, tables: Sequence[Table]) -> Sources:
        """Those of all tables.

        Raises:
            InputError: no such column, or it holds no text.
        """
        if column is None:
            return cls(None)
        names: set[str] = set()
        for table in tables:
            found = table.complete(column, ignorable=False)
            if found.kind != "text":
                raise table.error(f"the source column '{column}' is a {found.kind} column", "Write names.")
            names |= set(found.values.tolist())
        return cls(column, tuple(sorted(names)))

    def index(self, table: Table) -> NDArray[np.int64]:
        """(n,) position of each row's source; 0 without a column."""
        if self.column is None:
            return np.zeros(table.rows, dtype=np.int64)
        values = table.column(self.column).values.tolist()
        return np.array([self.names.index(value) for value in values], dtype=np.int64)

    def position(self, name: str, table: Table) -> int:
        """Of one source.

        Raises:
            InputError: no row has it.
        """
        if name not in self.names:
            hint = did_you_mean(name, self.names).replace("Columns", "Sources")
            raise table.error(f"no row of column '{self.column}' is '{name}'", hint)
        return self.names.index(name)

    def as_target(self, records: Records, source: str | None) -> Records:
        """Target-domain rows as rows of the source for which the surrogate has to be good."""
        if source is None or self.column is None:
            return records
        return [record | {self.column: source} for record in records]
