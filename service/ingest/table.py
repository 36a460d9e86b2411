"""Reader of tables: CSV exports of Radioss, PAM-CRASH, MADYMO or a laboratory, explained by a mapping."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from service.errors import FileFormatError, InputError
from service.ingest.archive import FileSet
from service.ingest.assembly import KMH_PER_MPS, Head, Seat, assemble
from service.ingest.model import CrashTest, FeatureValue, Quarantined
from service.ingest.numbers import finite_number
from service.ingest.options import ReadOptions
from service.ingest.selection import VEHICLE_PLACES, Sensor
from service.ingest.table_mapping import ChannelColumn, Column, TableMapping, parse_mapping
from service.ingest.text import decode
from service.signals.channel import Channel
from service.signals.grid import even_grid
from service.signals.integration import acceleration_of
from service.signals.units import parse_unit

MAX_ROWS = 1_100_000
MAPPING_SUFFIX = ".mapping.json"
NAMED_HEADINGS = 30
KNOWN_PLACES = {place for places in VEHICLE_PLACES for place in places}
_UNIT_IN_HEADING = re.compile(r"[\[(]([^\[\]()]{1,20}(?:\([^()]{1,10}\))?)[\])]\s*$")

Signal = NDArray[np.float64]


class Table:
    """The cells of the columns that a mapping names; the others are skipped."""

    def __init__(self, content: bytes, mapping: TableMapping, label: str) -> None:
        rows = _split(decode(content, label), mapping)
        try:
            headings = [next(rows, []) for _ in range(mapping.header_rows)]
            columns = [mapping.time.column, *(channel.column for channel in mapping.channels)]
            self._index = {column: _index_of(column, headings, label) for column in columns}
            self._cells = _cells(rows, set(self._index.values()), label)
        except csv.Error as error:
            raise FileFormatError(f"{label} is no table: {error}.", hint="Export it again.") from error
        self._mapping = mapping
        self._headings = headings
        self._times_s: Signal | None = None

    def heading(self, column: Column) -> str:
        """The heading of a column in its lowest header row, or its number."""
        at = self._index[column]
        return next((row[at].strip() for row in reversed(self._headings) if at < len(row)), str(column))

    def time_s(self) -> Signal:
        """Sample times in s, shape (n,)."""
        if self._times_s is None:
            column = self._mapping.time.column
            _check_heading(self.heading(column), self._mapping.time.unit, "time")
            self._times_s = self.numbers(column) * self._mapping.time.seconds
        return self._times_s

    def numbers(self, column: Column) -> Signal:
        """Values of a column, shape (n,).

        Raises:
            FileFormatError: a cell is not a finite number; the message names its row.
        """
        values = np.empty(len(self._cells[self._index[column]]))
        for row, cell in enumerate(self._cells[self._index[column]]):
            try:
                values[row] = finite_number(self._with_point(cell))
            except ValueError as error:
                line = row + 1 + self._mapping.header_rows
                raise FileFormatError(
                    f"column {str(column)!r}, row {line}, {cell[:40]!r}, {error}."
                ) from error
        return values

    def _with_point(self, cell: str) -> str:
        if self._mapping.decimal == ".":
            return cell
        return "two decimal signs" if "." in cell else cell.replace(",", ".")


def _split(text: str, mapping: TableMapping) -> Iterator[list[str]]:
    if mapping.delimiter == " ":
        return (line.split() for line in text.splitlines())
    return csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)


def _index_of(column: Column, headings: list[list[str]], label: str) -> int:
    if isinstance(column, int):
        return column - 1
    wanted = " ".join(column.split())
    for row in headings:
        names = [" ".join(cell.split()) for cell in row]
        if names.count(wanted) > 1:
            raise FileFormatError(
                f"{label} has {names.count(wanted)} columns {column!r}.", hint="Name it by number."
            )
        if wanted in names:
            return names.index(wanted)
    shown = ", ".join(repr(cell.strip()) for row in headings for cell in row[:NAMED_HEADINGS]) or "none"
    raise FileFormatError(f"{label} has no column {column!r}.", hint=f"Headings: {shown}.")


def _cells(rows: Iterable[list[str]], wanted: set[int], label: str) -> dict[int, list[str]]:
    """Cells of the wanted columns; a row that is too short has empty ones, empty rows at the end none."""
    cells: dict[int, list[str]] = {at: [] for at in wanted}
    full = 0
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            raise FileFormatError(f"{label} has more than {MAX_ROWS:,} rows.")
        if any(cell.strip() for cell in row):
            full = number
        for at, column in cells.items():
            column.append(row[at] if at < len(row) else "")
    return {at: column[:full] for at, column in cells.items()}


def read_table(files: FileSet, options: ReadOptions) -> CrashTest:
    """Read one test from a table with a time column; only the columns of the mapping are parsed.

    The mapping comes with the options, or as `NAME.mapping.json` beside `NAME.csv`. A velocity is
    differentiated. Without a speed by hand or in the mapping the first vehicle velocity at t = 0 is taken.

    Raises:
        FileFormatError: no or several tables, a heading that is missing, nothing that can be labelled.
        InputError: no mapping, or one that does not fit.
    """
    name = _table(files)
    label = PurePosixPath(name).name
    mapping = options.mapping or _mapping_beside(files, name)
    table = Table(files.read(name), mapping, label)
    speed_mps = mapping.initial_speed.mps if mapping.initial_speed else None
    used = [(number, channel) for number, channel in enumerate(mapping.channels, 1) if channel.axis == "x"]
    head = Head(
        test_number=PurePosixPath(name).stem,
        format="csv",
        title=mapping.title or label,
        seats=[Seat(role, role, {}) for role in _occupants(channel for _, channel in used)],
        features=_features(mapping, speed_mps),
        initial_speed_mps=speed_mps,
        quarantined=[
            Quarantined(str(channel.column), f"its axis is {channel.axis}; a label needs x")
            for channel in mapping.channels
            if channel.axis != "x"
        ],
    )
    sensors = [_sensor(table, channel, number, wants_speed=speed_mps is None) for number, channel in used]
    return assemble(head, sensors, options, label)


def _table(files: FileSet) -> str:
    found = files.shallowest(".csv") or [name for name in files.names if not name.lower().endswith(".json")]
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise FileFormatError(f"{files.label} must hold one table; found: {listed}.", hint="Give one test.")
    return found[0]


def _mapping_beside(files: FileSet, name: str) -> TableMapping:
    stored = files.find(str(PurePosixPath(name).with_suffix(MAPPING_SUFFIX)))
    if stored is None:
        beside = PurePosixPath(name).with_suffix(MAPPING_SUFFIX).name
        raise InputError(
            f"{PurePosixPath(name).name} is a table: its columns have no units or roles.",
            hint=f"Give a mapping (--mapping FILE), or put {beside} beside it; docs/readers.md shows one.",
        )
    return parse_mapping(files.read(stored), PurePosixPath(stored).name)


def _occupants(channels: Iterable[ChannelColumn]) -> list[str]:
    return list(dict.fromkeys(channel.occupant for channel in channels if channel.role == "chest"))


def _features(mapping: TableMapping, speed_mps: float | None) -> dict[str, FeatureValue]:
    speed_kmh = speed_mps * KMH_PER_MPS if speed_mps is not None else None
    return {"impact_speed_kmh": speed_kmh, **mapping.features}


def _sensor(table: Table, channel: ChannelColumn, number: int, *, wants_speed: bool) -> Sensor:
    if channel.role == "vehicle" and channel.place not in KNOWN_PLACES:
        raise InputError(
            f"Channel {channel.column!r} has the unknown place {channel.place!r}.",
            hint=f"Known: {', '.join(sorted(KNOWN_PLACES))}.",
        )
    is_speed = channel.role == "vehicle" and channel.quantity == "velocity"
    return Sensor(
        key=str(number),
        name=f"{number} {table.heading(channel.column)}",
        place={"vehicle": channel.place, "chest": "chest", "other": ""}[channel.role],
        load=partial(_load, table, channel, number),
        seat=channel.occupant,
        redundant=channel.redundant,
        initial_speed_mps=_speed_at_contact(table, channel, number) if wants_speed and is_speed else None,
    )


def _load(table: Table, channel: ChannelColumn, number: int) -> Channel:
    signal = _signal(table, channel, number)
    return signal if channel.quantity == "acceleration" else acceleration_of(signal)


def _signal(table: Table, channel: ChannelColumn, number: int) -> Channel:
    heading = table.heading(channel.column)
    _check_heading(heading, channel.unit, channel.quantity)
    values, interval_s, start_s = even_grid(table.time_s(), channel.sign * table.numbers(channel.column))
    return Channel(
        values=values, sample_interval_s=interval_s, start_s=start_s, unit=channel.unit,
        quantity=channel.quantity, location=channel.place, name=f"{number} {heading}",
    )  # fmt: skip


def _speed_at_contact(table: Table, channel: ChannelColumn, number: int) -> float | None:
    try:
        signal = _signal(table, channel, number).to_unit("m/s")
    except InputError:
        return None  # loading the channel says why
    return float(np.interp(0.0, signal.time_s, signal.values))


def _check_heading(heading: str, unit: str, quantity: str) -> None:
    """A unit in the heading that is known and another one than the mapping's: one of both is wrong."""
    found = _UNIT_IN_HEADING.search(heading)
    if not found:
        return
    try:
        written = parse_unit(found.group(1), quantity)
    except InputError:
        return
    if written != unit:
        raise InputError(f"its heading {heading[:60]!r} says {written}, the mapping {unit}.")
