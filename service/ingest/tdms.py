"""Reader of NHTSA's TDMS files by npTDMS: channels under ISO codes, EV5 fields as their properties."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np

from service.errors import FileFormatError, InputError, UnavailableError
from service.ingest.archive import FileSet
from service.ingest.assembly import KMH_PER_MPS, Head, Seat, assemble
from service.ingest.ev5 import PLACES, test_number
from service.ingest.ev5_curves import MAX_POINTS, UNUSABLE_STATUS, USABLE_STATUS
from service.ingest.ev5_features import FIXED_OBSTACLE
from service.ingest.iso_codes import (
    is_longitudinal_acceleration,
    is_redundant,
    place_of,
    role_of,
)
from service.ingest.iso_mme_files import ChannelCode, parse_code
from service.ingest.model import CrashTest, Quarantined
from service.ingest.numbers import finite_number
from service.ingest.options import ReadOptions
from service.ingest.selection import CHEST_PLACES, Sensor
from service.signals.channel import Channel
from service.signals.units import parse_unit

if TYPE_CHECKING:
    from nptdms import TdmsChannel, TdmsFile

# What npTDMS raises on damaged files; it checks little itself.
TDMS_DAMAGE = (
    ValueError, RuntimeError, EOFError, LookupError, TypeError, AttributeError, AssertionError, struct.error,
    ArithmeticError, MemoryError, OSError,
)  # fmt: skip
TDMS_MAGIC = b"TDSm"
LEAD_IN_BYTES = 28
AGAIN = "Download it again."
LEFT_HAND_DRIVE = "1"
UNIT_PROPERTIES = ("unit_string", "unit", "inst_yunits")

Properties = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class _Entry:
    channel: TdmsChannel
    code: ChannelCode
    properties: Properties
    name: str
    key: str


def read_tdms(files: FileSet, options: ReadOptions) -> CrashTest:
    """Read one test: properties of all channels, data of the vehicle sensors and chests only.

    The car is the lowest test object that has a chest sensor, and its driver sits on the left: the file
    does not say more.

    Raises:
        FileFormatError: no or several TDMS files, damaged or cut off, nothing that can be labelled.
        InputError: a channel named by hand is not there or cannot be used.
        UnavailableError: npTDMS is not installed.
    """
    name = _one_file(files)
    label = PurePosixPath(name).name
    with _opened(files.read(name), label) as file:
        properties = _lowered(file.properties)
        entries, quarantined = _entries(file)
        longitudinal = [entry for entry in entries if is_longitudinal_acceleration(entry.code)]
        car = _car(longitudinal, label)
        own = [entry for entry in longitudinal if entry.code.test_object == car]
        speed_kmh = _speed_kmh(properties)
        objects = {entry.code.test_object for entry in entries}
        head = Head(
            test_number=_text(properties, "test_tstno") or test_number(name),
            format="tdms",
            title=_text(properties, "title", "test_title") or label,
            seats=_seats(own),
            features={"impact_speed_kmh": speed_kmh},
            impact_angle_deg=_number(properties, "test_impang"),
            fixed_obstacle=False if objects & (set("23456789M") - {car}) else None,
            initial_speed_mps=speed_kmh / KMH_PER_MPS if speed_kmh else None,
            speed_flags=("speed_not_from_sensor",),
            quarantined=quarantined,
            flags=("driver_position_assumed",),
        )
        return assemble(head, [_sensor(entry) for entry in own], options, label)


def _one_file(files: FileSet) -> str:
    found = files.shallowest(".tdms") or list(files.names)
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise FileFormatError(
            f"{files.label} must hold one TDMS file; found: {listed}.", hint="Give one test."
        )
    return found[0]


@contextmanager
def _opened(content: bytes, label: str) -> Iterator[TdmsFile]:
    try:
        from nptdms import TdmsFile
        from nptdms.log import log_manager
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{label}: reading TDMS needs npTDMS.", hint="Install it: pip install 'crashscout[tdms]'."
        ) from error
    log_manager.set_level(logging.ERROR)  # what it warns of is refused here
    _check_segments(content, label)
    try:
        file = TdmsFile.open(io.BytesIO(content))
    except TDMS_DAMAGE as error:
        raise FileFormatError(f"{label} is damaged: {_said(error)}.", hint=AGAIN) from error
    with file:
        yield file


def _check_segments(content: bytes, label: str) -> None:
    """Segments must fill the file: npTDMS reads a file that is cut off as far as it goes, without a word.

    A segment begins with 28 bytes: magic, flags (bit 6: big-endian), version, length of the rest, length of
    the metadata (NI, TDMS File Format Internal Structure).
    """
    if not content.startswith(TDMS_MAGIC):
        raise FileFormatError(f"{label} is no TDMS file: it does not begin with {TDMS_MAGIC.decode()}.")
    at = 0
    while at < len(content):
        if content[at : at + 4] != TDMS_MAGIC:
            raise FileFormatError(f"{label} is damaged: there is no segment at byte {at}.", hint=AGAIN)
        order: Literal["big", "little"] = (
            "big" if content[at + 4 : at + 5] and content[at + 4] & 0x40 else "little"
        )
        at += LEAD_IN_BYTES + int.from_bytes(content[at + 12 : at + 20], order)
    if at > len(content):
        raise FileFormatError(f"{label} is truncated: its last segment is cut off.", hint=AGAIN)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _lowered(properties: Properties) -> dict[str, object]:
    return {name.casefold(): value for name, value in properties.items()}


def _text(properties: Properties, *names: str) -> str:
    found = (str(properties[name]).strip() for name in names if name in properties)
    return next((text for text in found if text), "")


def _number(properties: Properties, *names: str) -> float | None:
    try:
        return finite_number(_text(properties, *names))
    except ValueError:
        return None


def _entries(file: TdmsFile) -> tuple[list[_Entry], list[Quarantined]]:
    """Channels with an ISO code as their name; keys are their numbers in the file."""
    entries: list[_Entry] = []
    quarantined: list[Quarantined] = []
    channels = [channel for group in file.groups() for channel in group.channels()]
    for number, channel in enumerate(channels, start=1):
        properties = _lowered(channel.properties)
        name = f"{number:03d} {_text(properties, 'inst_inscom') or channel.name}"
        try:
            entries.append(_Entry(channel, parse_code(channel.name), properties, name, f"{number:03d}"))
        except FileFormatError as error:
            quarantined.append(Quarantined(name, str(error)))
    return entries, quarantined


def _place(entry: _Entry) -> str:
    """NHTSA's own place where it is given: its codes of the rear sill are read as a door by others."""
    attached = _text(entry.properties, "inst_senatt").upper()
    return PLACES.get(attached) or ("chest" if attached == "CHST" else place_of(entry.code))


def _car(longitudinal: Sequence[_Entry], label: str) -> str:
    cars = [entry.code.test_object for entry in longitudinal if _place(entry) in CHEST_PLACES]
    digits = sorted(car for car in cars if car.isdigit())
    if not digits:
        raise FileFormatError(f"{label} has no x accelerometer of a chest, so there is nothing to label.")
    return digits[0]


def _seats(own: Sequence[_Entry]) -> list[Seat]:
    positions = sorted({entry.code.position for entry in own if _place(entry) in CHEST_PLACES})
    return [Seat(position, role_of(position, LEFT_HAND_DRIVE), {}) for position in positions]


def _speed_kmh(properties: Properties) -> float | None:
    """Speed of the car; the closing speed stands in only when the obstacle does not move."""
    own = _number(properties, "veh_vehspd")
    if not own and _text(properties, "test_tstcfn").upper() in FIXED_OBSTACLE:
        own = _number(properties, "test_clsspd")
    return abs(own) if own else None


def _sensor(entry: _Entry) -> Sensor:
    place = _place(entry)
    status = _text(entry.properties, "inst_chstat").upper()
    speed_kmh = _number(entry.properties, "inst_inivel")
    return Sensor(
        key=entry.key,
        name=entry.name,
        place=place,
        load=partial(_load, entry),
        seat=entry.code.position if place in CHEST_PLACES else "",
        redundant=status.startswith("R") or is_redundant(entry.code, entry.name),
        initial_speed_mps=abs(speed_kmh) / KMH_PER_MPS if speed_kmh else None,
    )


def _load(entry: _Entry) -> Channel:
    status = _text(entry.properties, "inst_dastat").upper() or "AM"
    if status not in USABLE_STATUS:
        reason = UNUSABLE_STATUS.get(status, "its data status is not known")
        raise FileFormatError(f"{reason} (DASTAT {status}).")
    interval_s, start_s = (_needed(entry, name) for name in ("wf_increment", "wf_start_offset"))
    unit = parse_unit(_text(entry.properties, *UNIT_PROPERTIES), "acceleration")
    if not 1 < len(entry.channel) <= MAX_POINTS:
        raise FileFormatError(f"it has {len(entry.channel)} samples; 2 to {MAX_POINTS} are read.")
    try:
        values = np.asarray(entry.channel[:])
    except TDMS_DAMAGE as error:
        raise FileFormatError(f"its data are damaged: {_said(error)}.") from error
    if values.dtype.kind not in "fiu" or values.size != len(entry.channel):
        raise FileFormatError(f"its data are {values.size} values of type {values.dtype}, not a signal.")
    return Channel(
        values=values.astype(np.float64), sample_interval_s=interval_s, start_s=start_s, unit=unit,
        location=entry.code.location, name=entry.name, status=USABLE_STATUS[status],
    )  # fmt: skip


def _needed(entry: _Entry, name: str) -> float:
    value = _number(entry.properties, name)
    if value is None:
        raise InputError(f"{name} is missing or not a number.")
    return value
