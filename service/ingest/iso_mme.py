"""Reader of ISO-MME (ISO/TS 13499): a test description, an index, and one text file per channel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from service.errors import FileFormatError, InputError
from service.ingest.archive import FileSet
from service.ingest.assembly import KMH_PER_MPS, Head, Seat, assemble
from service.ingest.ev5 import test_number
from service.ingest.iso_codes import (
    DUMMIES,
    is_longitudinal_acceleration,
    is_redundant,
    place_of,
    role_of,
)
from service.ingest.iso_mme_channel import read_channel
from service.ingest.iso_mme_files import ChannelCode, Header, parse_code, parse_header, parse_index
from service.ingest.model import CrashTest, FeatureValue, Quarantined
from service.ingest.options import ReadOptions
from service.ingest.selection import CHEST_PLACES, Sensor
from service.ingest.text import decode
from service.signals.channel import Channel
from service.signals.units import parse_quantity

HEADER_BYTES = 32_768
IMPACT_ANGLE_DEG = {"FR": 0.0, "RI": 90.0, "RE": 180.0, "LE": 270.0}
MASS_LIMITS_KG = (300.0, 50_000.0)
_CHANNEL_FILE = re.compile(r"\.(\d{3,4})$", re.ASCII)


@dataclass(frozen=True)
class _Entry:
    """A channel by its number, from the index or from its own header."""

    number: int
    code: ChannelCode
    name: str


def read_iso_mme(files: FileSet, options: ReadOptions) -> CrashTest:
    """Read one test: description, index, vehicle sensors and chests; other channels stay closed.

    Codes are not unique in real files: a channel is known by its file number. Without an index the
    headers of all channel files are read. The car is the lowest test object that has a chest sensor.

    Raises:
        FileFormatError: no or several descriptions, no channel, nothing that can be labelled, no speed.
        InputError: a channel named by hand is not there or cannot be used.
    """
    description = _description(files)
    label = PurePosixPath(description).name
    header, _ = parse_header(decode(files.read(description), label))
    if not header.values:
        raise FileFormatError(f"{label} is no ISO-MME test description: it has no `key :value` line.")
    channel_files = _channel_files(files, description)
    entries, quarantined, flags = _entries(files, description, channel_files)
    longitudinal = [entry for entry in entries if is_longitudinal_acceleration(entry.code)]
    car = _car(longitudinal, label)
    own, elsewhere = _of_car(longitudinal, car)
    speed_mps, mass_kg, unreadable = _speed_and_mass(header, car)
    driver_position, driver_flags = _driver_position(header, car)
    objects = {entry.code.test_object for entry in entries}
    name = header.get(f"name of test object {car}")
    head = Head(
        test_number=test_number(description),
        format="iso_mme",
        title=header.get("title") or name or label,
        seats=_seats(own, driver_position),
        platform=" ".join(name.upper().split()) if name else None,
        features={"impact_speed_kmh": speed_mps and speed_mps * KMH_PER_MPS, "test_mass_kg": mass_kg},
        impact_angle_deg=IMPACT_ANGLE_DEG.get((header.get(f"impact side test object {car}") or "").upper()),
        fixed_obstacle=False if objects & (set("23456789M") - {car}) else None,
        initial_speed_mps=speed_mps,
        quarantined=(*quarantined, *unreadable, *elsewhere),
        flags=flags + driver_flags,
    )
    sensors = [_sensor(files, channel_files.get(entry.number), entry) for entry in own]
    return assemble(head, sensors, options, label)


def _description(files: FileSet) -> str:
    found = files.shallowest(".mme")
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise FileFormatError(
            f"{files.label} must hold one .mme file; found: {listed}.",
            hint="Give the folder or zip of one test.",
        )
    return found[0]


def _channel_files(files: FileSet, description: str) -> dict[int, str]:
    """Channel number → file, beside the description or in a folder below it."""
    folder = PurePosixPath(description).parent
    found: dict[int, str] = {}
    for name in sorted(files.names):
        number = _CHANNEL_FILE.search(name)
        where = PurePosixPath(name).parent
        if number and folder in {where, where.parent}:
            found.setdefault(int(number.group(1)), name)
    return found


def _entries(
    files: FileSet, description: str, channel_files: Mapping[int, str]
) -> tuple[list[_Entry], list[Quarantined], tuple[str, ...]]:
    """All channels with a readable code, those without, and whether there was an index."""
    index, flags = _index(files, description)
    entries: list[_Entry] = []
    quarantined: list[Quarantined] = []
    for number in sorted({*index, *channel_files}):
        try:
            entries.append(_entry(files, number, index.get(number), channel_files.get(number)))
        except InputError as error:
            quarantined.append(Quarantined(f"channel {number:03d}", str(error)))
    return entries, quarantined, flags


def _index(files: FileSet, description: str) -> tuple[dict[int, str], tuple[str, ...]]:
    stem = PurePosixPath(description).stem.lower()
    found = [name for name in files.names if name.lower().endswith(".chn")]
    own = [name for name in found if PurePosixPath(name).stem.lower() == stem] or found
    if not own:
        return {}, ("index_missing",)
    try:
        index = parse_index(decode(files.read(own[0])))
    except FileFormatError:
        index = {}
    return index, () if index else ("index_unreadable",)


def _entry(files: FileSet, number: int, listed: str | None, file: str | None) -> _Entry:
    if listed is not None:
        code, _, name = listed.partition("/")
        try:
            return _Entry(number, parse_code(code), name.strip() or code.strip())
        except FileFormatError:
            if file is None:
                raise
    if file is None:
        raise FileFormatError("its file is missing.")
    header, _ = parse_header(decode(files.read(file)[:HEADER_BYTES]))
    code = header.need("channel code")
    return _Entry(number, parse_code(code), header.get("name of the channel") or code)


def _car(longitudinal: Sequence[_Entry], label: str) -> str:
    cars = sorted(
        entry.code.test_object
        for entry in longitudinal
        if place_of(entry.code) in CHEST_PLACES and entry.code.test_object.isdigit()
    )
    if not cars:
        raise FileFormatError(f"{label} has no x accelerometer of a chest, so there is nothing to label.")
    return cars[0]


def _of_car(longitudinal: Sequence[_Entry], car: str) -> tuple[list[_Entry], list[Quarantined]]:
    """Channels of the car; chests of other cars are named as left out."""
    own = [entry for entry in longitudinal if entry.code.test_object == car]
    elsewhere = [
        Quarantined(_name(entry), f"sits in test object {entry.code.test_object}; one car is read")
        for entry in longitudinal
        if entry.code.test_object != car and place_of(entry.code) in CHEST_PLACES
    ]
    return own, elsewhere


def _speed_and_mass(header: Header, car: str) -> tuple[float | None, float | None, list[Quarantined]]:
    """Speed in m/s and mass in kg, the units of the standard where a lab writes none."""
    unreadable: list[Quarantined] = []

    def read(key: str, quantity: str, unit: str) -> float | None:
        try:
            text = header.get(key)
            return None if text is None else parse_quantity(text, quantity, unit, default_unit=unit)
        except InputError as error:
            unreadable.append(Quarantined(key, str(error)))
            return None

    speed_mps = read(f"velocity test object {car}", "velocity", "m/s")
    mass_kg = read(f"mass test object {car}", "mass", "kg")
    if mass_kg is not None and not MASS_LIMITS_KG[0] <= mass_kg <= MASS_LIMITS_KG[1]:
        unreadable.append(Quarantined(f"mass test object {car}", f"{mass_kg:g} kg is the mass of no vehicle"))
        mass_kg = None
    return speed_mps, mass_kg, unreadable


def _driver_position(header: Header, car: str) -> tuple[str, tuple[str, ...]]:
    try:
        given = header.get(f"driver position object {car}") or header.get(
            f"driver position test object {car}"
        )
    except FileFormatError:
        given = None
    return (given, ()) if given in {"1", "3"} else ("1", ("driver_position_assumed",))


def _seats(own: Sequence[_Entry], driver_position: str) -> list[Seat]:
    """Seats with a chest sensor, driver first."""
    dummies: dict[str, str] = {}
    for entry in own:
        if place_of(entry.code) in CHEST_PLACES:
            known = dummies.get(entry.code.position)
            dummies[entry.code.position] = known if known in DUMMIES else entry.code.dummy
    seats = [
        Seat(position, role_of(position, driver_position), _dummy_features(dummy))
        for position, dummy in sorted(dummies.items())
    ]
    return sorted(seats, key=lambda seat: seat.role != "driver")


def _dummy_features(dummy: str) -> dict[str, FeatureValue]:
    kind, size = DUMMIES.get(dummy, (None, None))
    return {"dummy_type": kind, "dummy_size": size}


def _name(entry: _Entry) -> str:
    return f"{entry.number:03d} {entry.name}"


def _sensor(files: FileSet, file: str | None, entry: _Entry) -> Sensor:
    place = place_of(entry.code)
    return Sensor(
        key=f"{entry.number:03d}",
        name=_name(entry),
        place=place,
        load=_missing if file is None else partial(read_channel, files, file, entry.code, _name(entry)),
        seat=entry.code.position if place in CHEST_PLACES else "",
        redundant=is_redundant(entry.code, entry.name),
    )


def _missing() -> Channel:
    raise FileFormatError("its file is missing.")
