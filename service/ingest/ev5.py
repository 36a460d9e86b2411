"""Reader of NHTSA EV5 tests: one specification file and one text file per curve."""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath

from service.errors import FileFormatError
from service.ingest.archive import FileSet
from service.ingest.assembly import KMH_PER_MPS, Head, Seat, assemble
from service.ingest.ev5_curves import describe, read_acceleration
from service.ingest.ev5_features import (
    code,
    impact_speed_kmh,
    is_fixed_obstacle,
    number,
    occupant_features,
    test_features,
)
from service.ingest.ev5_records import Ev5Records, Record, parse_records
from service.ingest.model import CrashTest, Quarantined
from service.ingest.options import ReadOptions
from service.ingest.selection import Sensor

ROLES = {
    "01": "driver", "02": "passenger", "03": "right_rear", "04": "left_rear", "05": "center_front",
    "06": "center_rear", "07": "left_third", "08": "center_third", "09": "right_third",
}  # fmt: skip
# NHTSA's codes of the places that a vehicle pulse is taken from.
PLACES = {
    "FLLR": "rear_floor_left", "FLRR": "rear_floor_right", "DSLR": "rear_sill_left",
    "DSRR": "rear_sill_right", "SELR": "seat_left", "SERR": "seat_right", "VECG": "vehicle_cg",
    "BPLL": "b_pillar_left", "BPLR": "b_pillar_right",
}  # fmt: skip


def read_ev5(files: FileSet, options: ReadOptions) -> CrashTest:
    """Read one test: records, the vehicle sensors and the chest of each occupant; other curves stay closed.

    The car is the lowest-numbered vehicle that has an occupant. A channel that failed, is missing,
    truncated or disagrees with its record is quarantined, and the redundant sensor takes its place.

    Raises:
        FileFormatError: no or several specification files, a broken one, no occupant, no usable vehicle
            sensor, no chest sensor that could be read, or no impact speed.
        InputError: a channel named by hand is not there or cannot be used.
    """
    specification = _specification(files)
    name = PurePosixPath(specification).name
    records = parse_records(files.read(specification), name)
    vehicle = _occupied_vehicle(records, specification)
    test = records.sets["TEST"][0]
    seats, repeated = _seats(records, vehicle)
    speed_kmh = impact_speed_kmh(test, vehicle)
    head = Head(
        test_number=test_number(specification),
        format="ev5",
        title=test["TITLE"],
        seats=seats,
        platform=_platform(vehicle),
        features=test_features(test, vehicle, records.sets["BARRIER"]),
        impact_angle_deg=number(test, "IMPANG", zero_is_unknown=False),
        fixed_obstacle=is_fixed_obstacle(test),
        initial_speed_mps=speed_kmh / KMH_PER_MPS if speed_kmh else None,
        speed_flags=("speed_not_from_sensor",),
        quarantined=(*records.quarantined, *_in_other_vehicles(records, vehicle), *repeated),
    )
    return assemble(head, _sensors(files, specification, records, vehicle), options, name)


def _specification(files: FileSet) -> str:
    found = files.shallowest(".ev5")
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise FileFormatError(
            f"{files.label} must hold one .EV5 file; found: {listed}.", hint="Give the files of one test."
        )
    return found[0]


def _of(records: Ev5Records, record_set: str, vehicle: Record) -> list[Record]:
    return records.of_vehicle(record_set, vehicle["VEHNO"])


def _occupied_vehicle(records: Ev5Records, name: str) -> Record:
    for vehicle in sorted(records.sets["VEHICLE"], key=lambda record: record["VEHNO"]):
        if _of(records, "OCCUPANT", vehicle):
            return vehicle
    raise FileFormatError(f"{name} has no occupant in any vehicle, so there is nothing to label.")


def _in_other_vehicles(records: Ev5Records, vehicle: Record) -> list[Quarantined]:
    return [
        Quarantined(f"occupant {record['OCCLOC']}", f"sits in vehicle {record['VEHNO']}; one car is read")
        for record in records.sets["OCCUPANT"]
        if record["VEHNO"] != vehicle["VEHNO"]
    ]


def test_number(specification: str) -> str:
    """`10146` of `v10146.EV5`."""
    stem = PurePosixPath(specification).stem
    return re.sub(r"^v0*(?=\d)", "", stem, flags=re.IGNORECASE)


def _platform(vehicle: Record) -> str | None:
    make, model = code(vehicle, "MAKE"), code(vehicle, "MODEL")
    return f"{make}-{model}" if make and model else None


def _seats(records: Ev5Records, vehicle: Record) -> tuple[list[Seat], list[Quarantined]]:
    restraints = _of(records, "RESTRAINT", vehicle)
    seats: dict[str, Seat] = {}
    repeated = []
    for record in _of(records, "OCCUPANT", vehicle):
        location = record["OCCLOC"]
        if location in seats:
            repeated.append(Quarantined(f"occupant {location}", "the seat is described twice"))
            continue
        own = [restraint for restraint in restraints if restraint["OCCLOC"] == location]
        features = occupant_features(record, own)
        seats[location] = Seat(location, ROLES.get(location, f"seat_{location}"), features)
    return list(seats.values()), repeated


def _sensors(files: FileSet, specification: str, records: Ev5Records, vehicle: Record) -> list[Sensor]:
    return [
        _sensor(files, specification, record)
        for record in _of(records, "INSTRUMENTATION", vehicle)
        if record["SENTYP"] == "AC" and record["AXIS"] in {"XL", "XG"}
    ]


def _sensor(files: FileSet, specification: str, record: Record) -> Sensor:
    is_chest = record["AXIS"] == "XL" and record["SENATT"] == "CHST"
    speed_kmh = number(record, "INIVEL")
    return Sensor(
        key=f"{int(record['CURNO']):03d}",
        name=describe(record),
        place="chest" if is_chest else PLACES.get(record["SENATT"], "") if record["AXIS"] == "XG" else "",
        load=partial(read_acceleration, files, specification, record),
        seat=record["SENLOC"] if is_chest else "",
        redundant=record["CHSTAT"].upper() != "P",
        initial_speed_mps=abs(speed_kmh) / KMH_PER_MPS if speed_kmh else None,
    )
