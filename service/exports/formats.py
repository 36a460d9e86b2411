"""Rows as CSV, NDJSON and Parquet, block by block.

CSV guards spreadsheets: a text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return would run as a formula
there, so an apostrophe is put before it (OWASP, "CSV injection"). Numbers are no texts and stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from service.errors import UnavailableError
from service.exports.schemas import Column, ColumnKind, ExportFormat

MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True).encode
Rows = Sequence[Sequence[Any]]


class Writer(Protocol):
    """Turns blocks of rows into bytes."""

    def block(self, rows: Rows) -> bytes: ...

    def end(self) -> bytes: ...


def write(blocks: Iterable[Rows], writer: Writer) -> Iterator[bytes]:
    """The bytes of a whole export; a piece at a time is in memory."""
    for rows in blocks:
        if piece := writer.block(rows):
            yield piece
    yield writer.end()


class CsvWriter:
    """RFC 4180 with a header; missing values are empty cells."""

    def __init__(self, columns: Sequence[Column], *, spreadsheet_safe: bool) -> None:
        self._text = io.StringIO()
        self._csv = csv.writer(self._text)
        self._cells = [_CELLS.get(column.kind, _as_it_is) for column in columns]
        if spreadsheet_safe:
            kinds = (ColumnKind.TEXT, ColumnKind.JSON)
            self._cells = [
                _guarded if column.kind in kinds else cell
                for column, cell in zip(columns, self._cells, strict=True)
            ]
        self._csv.writerow([column.name for column in columns])

    def block(self, rows: Rows) -> bytes:
        for row in rows:
            self._csv.writerow([
                None if value is None else cell(value) for cell, value in zip(self._cells, row, strict=True)
            ])  # fmt: skip
        return self._taken()

    def end(self) -> bytes:
        return self._taken()

    def _taken(self) -> bytes:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - any cell
    return value


def _guarded(value: str | dict[str, Any]) -> str:
    text = value if isinstance(value, str) else _json(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_CELLS: dict[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.BOOLEAN: lambda value: "true" if value else "false",
    ColumnKind.TIME: _time,
    ColumnKind.JSON: _json,
}


class NdjsonWriter:
    """One object a line; columns with a place stand in an object of that name, where missing values are left out.

    Args:
        columns: of the rows.
        omit_missing: leave out every missing value, as what `samples:bulk` takes wants it.
    """

    def __init__(self, columns: Sequence[Column], *, omit_missing: bool) -> None:
        self._columns = columns
        self._omit = omit_missing

    def block(self, rows: Rows) -> bytes:
        return "".join(_json(self._document(row)) + "\n" for row in rows).encode()

    def end(self) -> bytes:
        return b""

    def _document(self, row: Sequence[Any]) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for column, value in zip(self._columns, row, strict=True):
            shown = _time(value) if isinstance(value, datetime) else value
            if column.place is not None:
                if shown is not None:
                    document.setdefault(column.place[0], {})[column.place[1]] = shown
            elif shown is not None or not self._omit:
                document[column.name] = shown
        return document


class ParquetWriter:
    """Typed columns, one row group for each block, zstd; pyarrow is imported here and nowhere before.

    Raises:
        UnavailableError: if it is not installed.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            hint = "Install crashscout[parquet], or ask for csv or ndjson."
            raise UnavailableError(
                "Parquet needs pyarrow, which is not installed here.", hint=hint
            ) from error
        types = {
            ColumnKind.INTEGER: pyarrow.int64(),
            ColumnKind.NUMBER: pyarrow.float64(),
            ColumnKind.TEXT: pyarrow.string(),
            ColumnKind.BOOLEAN: pyarrow.bool_(),
            ColumnKind.TIME: pyarrow.timestamp("us", tz="UTC"),
            ColumnKind.JSON: pyarrow.string(),
        }
        self._columns = columns
        self._arrow = pyarrow
        self._schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
        self._sink = _Sink()
        self._file = pyarrow.parquet.ParquetWriter(self._sink, self._schema, compression="zstd")

    def block(self, rows: Rows) -> bytes:
        cells = list(zip(*rows, strict=True))
        arrays = [
            self._arrow.array(_texts(values) if column.kind is ColumnKind.JSON else values, type=field.type)
            for column, values, field in zip(self._columns, cells, self._schema, strict=True)
        ]
        self._file.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
        return self._sink.taken()

    def end(self) -> bytes:
        self._file.close()
        return self._sink.taken()


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else _json(value) for value in values]


class _Sink(io.RawIOBase):
    """What Parquet writes to: keeps only what nobody has taken yet."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole


def writer_of(
    columns: Sequence[Column],
    wanted: ExportFormat,
    *,
    spreadsheet_safe: bool = True,
    omit_missing: bool = False,
) -> Writer:
    """The writer of a format.

    Raises:
        UnavailableError: as `ParquetWriter`.
    """
    if wanted is ExportFormat.CSV:
        return CsvWriter(columns, spreadsheet_safe=spreadsheet_safe)
    if wanted is ExportFormat.NDJSON:
        return NdjsonWriter(columns, omit_missing=omit_missing)
    return ParquetWriter(columns)
