"""Curve files of an EV5 test: one value per line, or time and value."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError, InputError
from service.ingest.archive import FileSet
from service.ingest.ev5_records import Record
from service.ingest.model import Quarantined
from service.signals.channel import Channel
from service.signals.filters import cfc_filter

MAX_POINTS = 220_000
MICROSECOND = 1e-6
_WHOLE_NUMBER = re.compile(r"^-?[0-9]{1,9}$")
ACCELERATION_UNITS = {"G'S": "g"}
USABLE_STATUS = {"AM": "as_measured", "CM": "computed"}
UNUSABLE_STATUS = {
    "CF": "the channel failed", "SF": "the system failed", "NO": "no data were taken",
    "MN": "the data are marked meaningless", "QD": "the data are marked questionable",
}  # fmt: skip


class CurveReader:
    """Reads the accelerations that are asked for; a bad one is quarantined and reads as None."""

    def __init__(self, files: FileSet, specification: str) -> None:
        self._files = files
        self._stem = PurePosixPath(specification).with_suffix("")
        self._read: dict[str, Channel | None] = {}
        self.quarantined: list[Quarantined] = []

    def acceleration(self, record: Record) -> Channel | None:
        """The channel of an INSTRUMENTATION record, None when it cannot be used."""
        number = record["CURNO"]
        if number not in self._read:
            try:
                self._read[number] = self._load(record)
            except InputError as error:
                self._read[number] = None
                self.quarantined.append(Quarantined(describe(record), str(error)))
        return self._read[number]

    def _load(self, record: Record) -> Channel:
        status = USABLE_STATUS.get(record["DASTAT"].upper())
        if status is None:
            reason = UNUSABLE_STATUS.get(record["DASTAT"].upper(), "its data status is not known")
            raise FileFormatError(f"{reason} (DASTAT {record['DASTAT'] or 'blank'}).")
        unit = ACCELERATION_UNITS.get(record["YUNITS"].upper())
        if unit is None:
            raise FileFormatError(f"{record['YUNITS']!r} is not a known unit of acceleration.")
        first, last, interval_us = (_integer(record, field) for field in ("NFP", "NLP", "DELT"))
        values = self._values(record, first, last, interval_us)
        channel = Channel(
            values=values, sample_interval_s=interval_us * MICROSECOND, start_s=first * interval_us * MICROSECOND,
            unit=unit, location=record["SENATT"], name=describe(record), status=status,
        )  # fmt: skip
        cfc_filter(channel, 180)  # the finest filter that a label needs: refuse now what it cannot take
        return channel

    def _values(self, record: Record, first: int, last: int, interval_us: int) -> NDArray[np.float64]:
        rows = last - first + 1
        if not 1 < rows <= MAX_POINTS or interval_us <= 0:
            raise FileFormatError(f"NFP {first}, NLP {last} and DELT {interval_us} us describe no curve.")
        wanted = f"{self._stem}.{int(record['CURNO']):03d}"
        stored = self._files.find(wanted)
        if stored is None:
            raise FileFormatError(f"the curve file {PurePosixPath(wanted).name} is missing.")
        table = parse_curve(self._files.read(stored))
        if len(table) != rows:
            raise FileFormatError(
                f"{PurePosixPath(stored).name} has {len(table)} rows, its record says {rows}: it is truncated "
                "or belongs to another test."
            )
        if table.shape[1] == 2:
            _check_times(table[:, 0], first, interval_us)
        return table[:, -1]


def describe(record: Record) -> str:
    """How people recognise a channel: number and comment."""
    return f"{int(record['CURNO']):03d} {record['INSCOM'] or record['SENATT']}".strip()


def parse_curve(content: bytes) -> NDArray[np.float64]:
    """Values of a curve file, shape (rows, 1) or (rows, 2); blank lines at the end do not count.

    Raises:
        FileFormatError: empty, a row that is not one or two finite numbers, or rows that differ.
    """
    lines = content.decode("latin-1").rstrip().splitlines()
    if not lines:
        raise FileFormatError("the curve file is empty.")
    columns = len(lines[0].split())
    if columns not in {1, 2}:
        raise FileFormatError(f"row 1 has {columns} columns; one value, or time and value, is expected.")
    table = np.array([_row(number, line, columns) for number, line in enumerate(lines, start=1)])
    if not np.isfinite(table).all():
        raise FileFormatError(f"row {int(np.argmax(~np.isfinite(table).all(axis=1))) + 1} is not finite.")
    return table


def _row(number: int, line: str, columns: int) -> list[float]:
    texts = line.split()
    if len(texts) != columns:
        raise FileFormatError(f"row {number} has {len(texts)} columns instead of {columns}.")
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise FileFormatError(
            f"row {number}, {line.strip()[:60]!r}, is not a number in each column."
        ) from None


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
