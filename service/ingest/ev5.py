"""Reader of NHTSA EV5 tests: one specification file and one text file per curve."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from service.errors import FileFormatError
from service.ingest.archive import FileSet
from service.ingest.ev5_curves import CurveReader
from service.ingest.ev5_features import code, impact_speed_kmh, number, occupant_features, test_features
from service.ingest.ev5_records import Ev5Records, Record, parse_records
from service.ingest.model import CrashTest, Occupant, Quarantined
from service.signals.channel import Channel

KMH_PER_MPS = 3.6
ROLES = {
    "01": "driver", "02": "passenger", "03": "right_rear", "04": "left_rear", "05": "center_front",
    "06": "center_rear", "07": "left_third", "08": "center_third", "09": "right_third",
}  # fmt: skip

# Left and right of each place, best first: stiffly joined to the compartment, far from the crush. An
# engine, wheel, brake, column or dash sensor moves on its own and is never taken.
VEHICLE_PLACES = (("FLLR", "FLRR"), ("DSLR", "DSRR"), ("SELR", "SERR"), ("VECG",), ("BPLL", "BPLR"))
CHANNEL_ORDER = ("P", "R")


def read_ev5(files: FileSet) -> CrashTest:
    """Read one test: records, the vehicle sensors and the chest of each occupant; other curves stay closed.

    The car is the lowest-numbered vehicle that has an occupant. A channel that failed, is missing,
    truncated or disagrees with its record is quarantined, and the redundant sensor takes its place.

    Raises:
        FileFormatError: no or several specification files, a broken one, no occupant, no usable vehicle
            sensor, no chest sensor that could be read, or no impact speed.
    """
    specification = _specification(files)
    records = parse_records(files.read(specification), PurePosixPath(specification).name)
    vehicle = _occupied_vehicle(records, specification)
    curves = CurveReader(files, specification)
    occupants = tuple(_occupant(record, records, curves) for record in _of(records, "OCCUPANT", vehicle))
    sensors, vehicle_flags = _vehicle_sensors(_of(records, "INSTRUMENTATION", vehicle), curves)
    if not sensors:
        raise _nothing_usable("No usable x accelerometer of the occupant compartment", specification, curves)
    if all(occupant.chest is None for occupant in occupants):
        raise _nothing_usable("No usable chest accelerometer of an occupant", specification, curves)
    test = records.sets["TEST"][0]
    speed_kmh, speed_flags = _initial_speed_kmh(test, vehicle, sensors, records)
    return CrashTest(
        test_number=_test_number(specification),
        format="ev5",
        title=test["TITLE"],
        platform=_platform(vehicle),
        features=test_features(test, vehicle, records.sets["BARRIER"]),
        impact_angle_deg=number(test, "IMPANG", zero_is_unknown=False),
        initial_speed_mps=speed_kmh / KMH_PER_MPS,
        vehicle=sensors,
        occupants=occupants,
        quarantined=(*records.quarantined, *_in_other_vehicles(records, vehicle), *curves.quarantined),
        flags=vehicle_flags + speed_flags,
    )


def _specification(files: FileSet) -> str:
    found = [name for name in files.names if name.lower().endswith(".ev5")]
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


def _test_number(specification: str) -> str:
    stem = PurePosixPath(specification).stem
    return re.sub(r"^v0*(?=\d)", "", stem, flags=re.IGNORECASE)


def _platform(vehicle: Record) -> str | None:
    make, model = code(vehicle, "MAKE"), code(vehicle, "MODEL")
    return f"{make}-{model}" if make and model else None


def _occupant(record: Record, records: Ev5Records, curves: CurveReader) -> Occupant:
    seat = record["OCCLOC"]
    restraints = [
        restraint
        for restraint in records.of_vehicle("RESTRAINT", record["VEHNO"])
        if restraint["OCCLOC"] == seat
    ]
    candidates = [
        sensor
        for sensor in records.of_vehicle("INSTRUMENTATION", record["VEHNO"])
        if _is_accelerometer(sensor, "CHST", "XL") and sensor["SENLOC"] == seat
    ]
    chest, redundant = _first_usable(candidates, curves)
    return Occupant(
        location=seat,
        role=ROLES.get(seat, f"seat_{seat}"),
        features=occupant_features(record, restraints),
        chest=chest,
        flags=("chest_redundant_sensor",) if redundant else (),
    )


def _is_accelerometer(sensor: Record, place: str, axis: str) -> bool:
    return (sensor["SENTYP"], sensor["SENATT"], sensor["AXIS"]) == ("AC", place, axis)


def _first_usable(candidates: list[Record], curves: CurveReader) -> tuple[Channel | None, bool]:
    """The first readable channel, primaries first, and whether it is a redundant one."""
    for status in CHANNEL_ORDER:
        for sensor in candidates:
            if sensor["CHSTAT"].upper() == status:
                channel = curves.acceleration(sensor)
                if channel is not None:
                    return channel, status != CHANNEL_ORDER[0]
    return None, False


def _vehicle_sensors(
    instrumentation: list[Record], curves: CurveReader
) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    for places in VEHICLE_PLACES:
        found = [
            _first_usable([s for s in instrumentation if _is_accelerometer(s, place, "XG")], curves)
            for place in places
        ]
        channels = tuple(channel for channel, _ in found if channel is not None)
        if channels:
            flags = ("vehicle_redundant_sensor",) if any(redundant for _, redundant in found) else ()
            return channels, flags + (("vehicle_one_side",) if len(channels) < len(places) else ())
    return (), ()


def _initial_speed_kmh(
    test: Record, vehicle: Record, sensors: tuple[Channel, ...], records: Ev5Records
) -> tuple[float, tuple[str, ...]]:
    """Speed from the first vehicle sensor's record, else from vehicle or test with a flag."""
    used = int(sensors[0].name.split()[0])
    for sensor in _of(records, "INSTRUMENTATION", vehicle):
        if int(sensor["CURNO"]) == used:
            speed = number(sensor, "INIVEL")
            if speed is not None:
                return abs(speed), ()
    speed = impact_speed_kmh(test, vehicle)
    if speed is None:
        raise FileFormatError(
            "No impact speed is given: INIVEL of the vehicle sensor and VEHSPD are unknown.",
            hint="CLSSPD counts only for a fixed obstacle.",
        )
    return speed, ("speed_not_from_sensor",)


def _nothing_usable(what: str, specification: str, curves: CurveReader) -> FileFormatError:
    reasons = "; ".join(f"{item.part}: {item.reason}" for item in curves.quarantined)
    return FileFormatError(f"{what} in {PurePosixPath(specification).name}. {reasons}".strip())
