"""Parquet: the file says what each column is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from service.errors import FileFormatError
from worker.tables.arrays import number_array, object_array
from worker.tables.model import Column, Table, check_names

_ROW_NAMES = re.compile(r"__index_level_\d+__")


def read_parquet(path: Path) -> Table:
    """Read one Parquet file, without the row names that pandas may have put beside the columns.

    Raises:
        FileFormatError: it is none, or damaged.
        InputError: two columns of the same name.
    """
    try:
        # Opened here: given a path, Arrow would take `=` in folder names for further columns.
        with path.open("rb") as file:
            cells = pyarrow.parquet.read_table(file)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        hint = "Export it again; a CSV file's name must end in .csv."
        raise FileFormatError(f"{path} is no whole Parquet file.", hint=hint) from error
    check_names(str(path), cells.column_names)
    names = [name for name in cells.column_names if not _ROW_NAMES.fullmatch(name)]
    return Table(str(path), {name: _column(cells.column(name)) for name in names}, cells.num_rows)


def _column(cells: pa.ChunkedArray) -> Column:
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells = cells.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Column("number", number_array(cells))
    if pa.types.is_boolean(kind):
        return Column("boolean", object_array(cells))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return Column("text", object_array(cells))
    nothing = np.full(len(cells), None, dtype=object)
    problem = "" if pa.types.is_null(kind) else f"holds {kind}, which is neither number, boolean nor text"
    return Column("text", nothing, problem)
