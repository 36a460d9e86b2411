"""Curve files of an EV5 test: one value per line, or time and value."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError
from service.ingest.archive import FileSet
from service.ingest.ev5_records import Record
from service.ingest.numbers import finite_number, is_plain, is_usable
from service.signals.channel import Channel
from service.signals.units import factor, parse_unit

MAX_POINTS = 220_000
MICROSECOND = 1e-6
_WHOLE_NUMBER = re.compile(r"^-?[0-9]{1,9}$")
USABLE_STATUS = {"AM": "as_measured", "CM": "computed"}
UNUSABLE_STATUS = {
    "CF": "the channel failed", "SF": "the system failed", "NO": "no data were taken",
    "MN": "the data are marked meaningless", "QD": "the data are marked questionable",
}  # fmt: skip


def read_acceleration(files: FileSet, specification: str, record: Record) -> Channel:
    """The channel of an INSTRUMENTATION record.

    Raises:
        InputError: with the reason when it cannot be used.
    """
    status = USABLE_STATUS.get(record["DASTAT"].upper())
    if status is None:
        reason = UNUSABLE_STATUS.get(record["DASTAT"].upper(), "its data status is not known")
        raise FileFormatError(f"{reason} (DASTAT {record['DASTAT'] or 'blank'}).")
    unit = parse_unit(record["YUNITS"], "acceleration")
    first, last, interval_us = (_integer(record, field) for field in ("NFP", "NLP", "DELT"))
    values = _values(files, specification, record, first, last, interval_us)
    return Channel(
        values=values, sample_interval_s=interval_us * MICROSECOND, start_s=first * interval_us * MICROSECOND,
        unit=unit, location=record["SENATT"], name=describe(record), status=status,
    )  # fmt: skip


def _values(
    files: FileSet, specification: str, record: Record, first: int, last: int, interval_us: int
) -> NDArray[np.float64]:
    rows = last - first + 1
    if not 1 < rows <= MAX_POINTS or interval_us <= 0:
        raise FileFormatError(f"NFP {first}, NLP {last} and DELT {interval_us} us describe no curve.")
    stem = PurePosixPath(specification).with_suffix("")
    wanted = f"{stem}.{int(record['CURNO']):03d}"
    stored = files.find(wanted)
    if stored is None:
        raise FileFormatError(f"the curve file {PurePosixPath(wanted).name} is missing.")
    table = parse_curve(files.read(stored))
    if len(table) != rows:
        raise FileFormatError(
            f"{PurePosixPath(stored).name} has {len(table)} rows, its record says {rows}: it is truncated "
            "or belongs to another test."
        )
    if table.shape[1] == 2:
        seconds = factor(parse_unit(record["XUNITS"], "time"), "s", "time")
        _check_times(table[:, 0] * seconds, first, interval_us)
    return table[:, -1]


def describe(record: Record) -> str:
    """How people recognise a channel: number and comment."""
    return f"{int(record['CURNO']):03d} {record['INSCOM'] or record['SENATT']}".strip()


def parse_curve(content: bytes) -> NDArray[np.float64]:
    """Values of a curve file, shape (rows, 1) or (rows, 2); blank lines at the end do not count.

    Raises:
        FileFormatError: empty, a row that is not one or two finite numbers, or rows that differ.
    """
    text = content.decode("latin-1").rstrip()
    rows = [line.split() for line in text.splitlines()]
    if not rows:
        raise FileFormatError("the curve file is empty.")
    columns = len(rows[0])
    if columns not in {1, 2}:
        raise FileFormatError(f"row 1 has {columns} columns; one value, or time and value, is expected.")
    convert = float if is_plain(text) else finite_number
    try:
        table = np.array([[convert(cell) for cell in row] for row in rows], dtype=np.float64)
    except ValueError:
        raise _first_wrong_row(rows, columns) from None
    if not is_usable(table) or table.shape != (len(rows), columns):
        raise _first_wrong_row(rows, columns)
    return table


def _first_wrong_row(rows: list[list[str]], columns: int) -> FileFormatError:
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            return FileFormatError(f"row {number} has {len(row)} columns instead of {columns}.")
        try:
            for cell in row:
                finite_number(cell)
        except ValueError as error:
            return FileFormatError(f"row {number}, {' '.join(row)[:60]!r}, {error}.")
    raise AssertionError("only called for a table with a wrong row")


def _check_times(times_s: NDArray[np.float64], first: int, interval_us: int) -> None:
    interval_s = interval_us * MICROSECOND
    expected = (first + np.arange(times_s.size)) * interval_s
    off = np.abs(times_s - expected) > 0.5 * interval_s
    if off.any():
        row = int(np.argmax(off))
        raise FileFormatError(
            f"row {row + 1} is at {times_s[row]:.6f} s; NFP and DELT say {expected[row]:.6f} s."
        )


def _integer(record: Record, field: str) -> int:
    if not _WHOLE_NUMBER.match(record[field]):
        raise FileFormatError(f"{field} is {record[field]!r} and not a whole number.")
    return int(record[field])
