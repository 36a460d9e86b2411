"""CSV as other tools write it: UTF-8, commas between cells, points in numbers."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from service.errors import FileFormatError
from worker.tables.arrays import number_array, object_array
from worker.tables.model import Column, Table, absent, check_names

# Cells that mean "no value" beside numbers and booleans. In a text column only the empty cell and NaN do:
# a region may be called NA and a restraint none.
_MISSING = ("", "nan", "na", "n/a", "#n/a", "null", "none")
_MISSING_TEXT = ("", "nan")
_BOOLEANS = ("true", "false")
# What is a number; infinity is one here, so that it is refused as such and not taken for a category.
_NUMBER = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity))$"
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# Longest row that is read.
_BLOCK_BYTES = 16 * 2**20


def parse_csv(name: str, data: bytes) -> Table:
    """Parse the bytes of a CSV file.

    Raises:
        FileFormatError: not UTF-8, other separators, a row with too few or too many cells.
        InputError: a column without a name, or two with the same.
    """
    text = _decode(name, data)
    header = _header(name, text)
    cells = _cells(name, text.encode(), header)
    columns = {column: _infer(cells.column(column)) for column in header}
    return Table(name, columns, cells.num_rows)


def _decode(name: str, data: bytes) -> str:
    hint = "Save it as CSV in UTF-8."
    if b"\0" in data:
        raise FileFormatError(f"{name} is not text in UTF-8.", hint=hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileFormatError(f"{name} is not UTF-8 in line {line}.", hint=hint) from error


def _header(name: str, text: str) -> list[str]:
    line = next(filter(None, io.StringIO(text, newline=None)), "").rstrip("\n")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if separator in line and "," not in line:
            raise FileFormatError(
                f"{name} separates its cells by {word}.", hint="Save it with commas, and points in numbers."
            )
    header = [cell.strip() for cell in next(csv.reader([line]), [])]
    check_names(name, header)
    return header


def _cells(name: str, data: bytes, header: list[str]) -> pa.Table:
    """All cells as texts."""
    uneven: list[Any] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    try:
        cells = pyarrow.csv.read_csv(
            io.BytesIO(data if data.endswith(b"\n") else data + b"\n"),
            # One thread: with more, Arrow does not know the number of an uneven row.
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=header, skip_rows_after_names=1
            ),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise FileFormatError(
            f"{name} is not whole CSV: {_one_line(error)}.", hint="Check quotes."
        ) from error
    if uneven:
        row = uneven[0]
        raise FileFormatError(
            f"{name}: row {row.number - 2} (counted from 0) has {row.actual_columns} cells, "
            f"the header has {row.expected_columns}.",
            hint="Check its quotes and commas.",
        )
    return cells


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _infer(cells: pa.ChunkedArray) -> Column:
    """The column that these texts are."""
    texts = pc.utf8_trim_whitespace(cells)
    with suppress(pa.ArrowInvalid):  # the common case, five times as fast as looking at the texts
        return Column("number", number_array(texts))
    lower = pc.utf8_lower(texts)
    missing = pc.is_in(lower, pa.array(_MISSING))
    number = pc.match_substring_regex(texts, _NUMBER)
    if _any(number) and _all(pc.or_(number, missing)):
        numbers = pc.cast(pc.if_else(number, texts, None), pa.float64())
        return Column("number", number_array(numbers))
    boolean = pc.is_in(lower, pa.array(_BOOLEANS))
    if _any(boolean) and _all(pc.or_(boolean, missing)):
        return Column("boolean", object_array(pc.if_else(boolean, pc.equal(lower, "true"), None)))
    missing = pc.is_in(lower, pa.array(_MISSING_TEXT))
    values = object_array(pc.if_else(missing, None, texts))
    return Column("text", values, _problem(values, number.to_numpy()))


def _any(mask: pa.ChunkedArray) -> bool:
    return bool(pc.any(mask).as_py())


def _all(mask: pa.ChunkedArray) -> bool:
    return bool(pc.all(mask).as_py())


def _problem(texts: NDArray[Any], number: NDArray[np.bool_]) -> str:
    """Why this text column is hardly meant as categories; empty if it may be."""
    known = ~absent(texts)
    if not known.any():
        return ""
    first = texts[known][0]
    if _DECIMAL_COMMA.fullmatch(first):
        return f"has decimal commas ('{first}'); numbers need points"
    if number.any():
        a, b = int(number.argmax()), int((known & ~number).argmax())
        return f"mixes numbers (row {a}: {texts[a]}) and texts (row {b}: '{_short(texts[b])}')"
    return ""


def _short(text: str) -> str:
    return " ".join(text[:40].split())
