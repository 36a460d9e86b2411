"""From the JSON metadata of an NHTSA test to features in canonical names.

The JSON speaks in descriptions (`VEHICLE INTO BARRIER`), EV5 in codes (`VTB`). Descriptions become codes here,
and from there on both go the same way: one place cleans sentinels and names features. Only fields that are
known before the test are copied, so that no result can reach a feature (`LEAKS` of the tests go through here).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from service.errors import FileFormatError
from service.ingest.derived import with_derived
from service.ingest.ev5_features import number, occupant_features, test_features
from service.ingest.ev5_records import RECORD_FIELDS, Record
from service.ingest.model import FeatureValue

DRIVER_SEAT = "01"
FRONTAL_CONFIGURATIONS = frozenset({"VTB", "VTP", "VTV", "VTI", "ITV"})
FRONTAL_WITHIN_DEG = 30.0

_SEATS = {
    "LEFT FRONT SEAT": "01", "RIGHT FRONT SEAT": "02", "RIGHT REAR SEAT": "03", "LEFT REAR SEAT": "04",
    "CENTER FRONT SEAT": "05", "CENTER REAR SEAT": "06",
}  # fmt: skip
# Field -> description -> code. What stands in neither is unknown: a new word of the database is no guess here.
_CODES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "TSTCFN": {
        "VEHICLE INTO BARRIER": "VTB", "VEHICLE INTO POLE": "VTP", "VEHICLE INTO VEHICLE": "VTV",
        "VEHICLE INTO IMPACTOR": "VTI", "IMPACTOR INTO VEHICLE": "ITV", "SLED WITH VEHICLE BODY": "SLB",
        "SLED WITHOUT VEHICLE BODY": "SLN", "ROLLOVER": "ROL",
    },
    "TSTTYP": {
        "NEW CAR ASSESSMENT TEST": "NCA", "OPTIONAL NEW CAR ASSESSMENT TEST": "ONC", "RESEARCH": "RES",
        "FMVSS 208 OCCUPANT CRASH PROTECTION": "208", "FMVSS 301 FUEL SYSTEM INTEGRITY": "301",
        "TEST PROCEDURE DEVELOPMENT": "DEV", "MODIFIED VEHICLE TEST": "MOD", "BASELINE TEST": "BAS",
        "OCCUPANT PERFORMANCE TEST": "OCC", "FMVSS COMPLIANCE TEST - UNSPECIFIED": "COM",
        "ELECTRIC VEHICLE TEST": "ELE", "OTHER": "OTH",
    },
    "BARRIG": {"RIGID": "R", "DEFORMABLE": "D"},
    "BARSHP": {
        "LOAD CELL BARRIER": "LCB", "FLAT BARRIER": "FLB", "FLAT ANGLED BARRIER": "FAB", "POLE": "POL",
        "OTHER": "OTH",
    },
    "BODY": {
        "FOUR DOOR SEDAN": "4S", "TWO DOOR SEDAN": "2S", "TWO DOOR COUPE": "2C", "THREE DOOR HATCHBACK": "3H",
        "FIVE DOOR HATCHBACK": "5H", "STATION WAGON": "SW", "CONVERTIBLE": "CV", "MINIVAN": "MV", "VAN": "VN",
        "UTILITY VEHICLE": "UV", "PICKUP TRUCK": "PU", "EXTENDED CAB PICKUP": "EX", "TRUCK": "TR",
        "LIMOUSINE": "LM", "OTHER": "OT",
    },
    "ENGINE": {
        "4 CYLINDER INLINE FRONT": "4CIF", "4 CYLINDER TRANSVERSE FRONT": "4CTF", "4 CYLINDER MID": "4CLM",
        "4 CYLINDER REAR": "4CLR", "3 CYLINDER TRANSVERSE FRONT": "3CTF", "STRAIGHT 5 INLINE FRONT": "S5IF",
        "STRAIGHT 6 INLINE FRONT": "S6IF", "STRAIGHT 6 TRANSVERSE FRONT": "S6TF", "V6 INLINE FRONT": "V6IF",
        "V6 TRANSVERSE FRONT": "V6TF", "V8 INLINE FRONT": "V8IF", "V8 TRANSVERSE FRONT": "V8TF",
        "ROTARY": "ROTR", "ELECTRIC MOTOR": "ELEC", "OTHER": "OTHR",
    },
    "TRANSM": {
        "AUTOMATIC - FRONT WHEEL DRIVE": "AF", "AUTOMATIC - REAR WHEEL DRIVE": "AR",
        "AUTOMATIC - FOUR WHEEL DRIVE": "A4", "MANUAL - FRONT WHEEL DRIVE": "MF",
        "MANUAL - REAR WHEEL DRIVE": "MR", "MANUAL - FOUR WHEEL DRIVE": "M4", "OTHER": "OT",
    },
    "MODIND": {"PRODUCTION VEHICLE": "P", "MODIFIED VEHICLE": "M", "RESEARCH VEHICLE": "R"},
    "COLMEC": {
        "BEHIND WHEEL UNITS": "BWU", "CONVOLUTED TUBE": "CON", "CYLINDRICAL MESH TUBE": "CYL",
        "EMBEDDED BALL": "EMB", "EXTRUDED ABSORBER": "EXA", "NONE": "NON", "OTHER": "OTH",
    },
    "OCCTYP": {"HYBRID III DUMMY": "H3", "PART 572 DUMMY": "P5", "THOR METRIC": "TH", "OTHER": "OT"},
    "DUMSIZ": {"50 PERCENTILE": "50", "5 PERCENTILE": "05", "95 PERCENTILE": "95", "OTHER": "OT"},
    "OCCSEX": {"MALE": "M", "FEMALE": "F"},
    "RSTTYP": {
        "3 POINT BELT": "3PT", "LAP BELT": "LAP", "PASSIVE 2 POINT BELT": "PS2", "PASSIVE 3 POINT BELT": "PS3",
        "AIR BELT": "ABT", "FRONTAL AIRBAG": "FRT", "AIR BAG": "ABG", "KNEE AIR BAG": "KNE",
        "KNEE RESTRAINT": "KNE",
    },
    "RSTMNT": {
        "STEERING WHEEL": "SW", "DASH PANEL - TOP": "DT", "DASH PANEL - MID": "DM",
        "DASH PANEL - UNSPECIFIED": "DP", "BELT - CONVENTIONAL MOUNT": "BC",
    },
})  # fmt: skip
# Fields that are copied as they are; all of them are known before the test.
_PLAIN = {
    "TEST": "CLSSPD IMPANG OFFSET TEMP",
    "BARRIER": "BARANG",
    "VEHICLE": "VEHNO YEAR ENGDSP VEHTWT CURBWT WHLBAS VEHLEN VEHWID VEHCG VEHSPD BX1 BX2 BX3 BX16 BX17 BX18 BX21",
    "OCCUPANT": "VEHNO SEPOSN HH HW CD CS KD",
    "RESTRAINT": "VEHNO RSTCOM",
}
_CODED = {
    "TEST": "TSTCFN TSTTYP",
    "BARRIER": "BARRIG BARSHP",
    "VEHICLE": "BODY ENGINE TRANSM MODIND COLMEC",
    "OCCUPANT": "OCCTYP DUMSIZ OCCSEX",
    "RESTRAINT": "RSTTYP RSTMNT",
}


@dataclass(frozen=True)
class NhtsaTest:
    """What the metadata say before any signal is read.

    Attributes:
        test_number: in the database.
        title: one line for people.
        features: of test, car and driver, canonical names; None = unknown. Empty when there is no driver.
        not_frontal: why this is no frontal test of a car with a driver; None when it is one.
        ev5_url: where the signals lie; None when there are none.
    """

    test_number: int
    title: str
    features: Mapping[str, FeatureValue]
    not_frontal: str | None
    ev5_url: str | None


def read_metadata(test_number: int, document: object) -> NhtsaTest | None:
    """The test that a metadata answer describes; None where the database has no such test.

    Raises:
        FileFormatError: if the answer is not shaped like one, or describes another test.
    """
    results = document.get("results") if isinstance(document, dict) else _fail(test_number, "no object")
    if not results:  # null or [] with status 200: "No Data Found"
        return None
    entry = results[0] if isinstance(results, list) else results
    if not isinstance(entry, dict) or not isinstance(entry.get("TEST"), dict):
        _fail(test_number, "without TEST")
    if _text(entry["TEST"].get("TSTNO")) not in {"", str(test_number)}:
        _fail(test_number, f"about test {_text(entry['TEST'].get('TSTNO'))}")
    test = _record("TEST", entry["TEST"])
    vehicle, driver = _vehicle_with_driver(entry)
    url = entry.get("URL")
    features: dict[str, FeatureValue] = {}
    if vehicle is not None and driver is not None:
        barriers = [_record("BARRIER", item) for item in _objects(entry, "BARRIER")]
        features = with_derived({
            **test_features(test, vehicle, barriers),
            **occupant_features(driver, _restraints(entry, vehicle)),
        })  # fmt: skip
    return NhtsaTest(
        test_number=test_number,
        title=_text(entry["TEST"].get("TITLE")),
        features=features,
        not_frontal=_why_not_frontal(entry["TEST"], test, driver),
        ev5_url=_text(url.get("URL_EV5")) or None if isinstance(url, dict) else None,
    )


def _fail(test_number: int, what: str) -> Any:  # noqa: ANN401 - never returns
    raise FileFormatError(
        f"The metadata of test {test_number} are shaped otherwise than expected: {what}.",
        hint="The NHTSA API may have changed, or CRASHSCOUT_NHTSA_URL names something else.",
    )


def _objects(entry: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The entry's objects of one kind, whether they come as a list, alone, or as null."""
    found = entry.get(name)
    items = found if isinstance(found, list) else [found]
    return [item for item in items if isinstance(item, dict)]


def _text(value: object) -> str:
    """Numbers come as numbers or texts, unknown ones as null or a blank: one form for all."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float):
        return (str(int(value)) if value == int(value) else repr(value)) if math.isfinite(value) else ""
    return str(value).strip() if isinstance(value, str | int) else ""


def _record(kind: str, item: Mapping[str, Any]) -> Record:
    """The EV5 record with the item's pre-test fields; all others are blank."""
    record = dict.fromkeys(RECORD_FIELDS[kind], "")
    record |= {name: _text(item.get(name)) for name in _PLAIN[kind].split()}
    for name in _CODED[kind].split():
        described = _text(item.get(f"{name}D")).upper()
        given = _text(item.get(name)).upper()
        record[name] = _CODES[name].get(described, "") or given
    return record


def _vehicle_with_driver(entry: Mapping[str, Any]) -> tuple[Record | None, Record | None]:
    """The lowest-numbered vehicle that has a driver, as in the EV5 reader; a trolley has none."""
    vehicles = sorted(_objects(entry, "VEHICLE"), key=lambda item: _text(item.get("VEHNO")))
    drivers = [item for item in _objects(entry, "OCCUPANT") if _text(item.get("OCCLOC")) == DRIVER_SEAT]
    for vehicle in vehicles:
        for driver in drivers:
            if _text(driver.get("VEHNO")) == _text(vehicle.get("VEHNO")):
                return _record("VEHICLE", vehicle), _record("OCCUPANT", driver)
    return None, None


def _restraints(entry: Mapping[str, Any], vehicle: Record) -> list[Record]:
    found = []
    for item in _objects(entry, "RESTRAINT"):
        seat = _SEATS.get(_text(item.get("OCCLOCD")).upper(), _text(item.get("OCCLOC")))
        if seat == DRIVER_SEAT and _text(item.get("VEHNO")) == vehicle["VEHNO"]:
            record = _record("RESTRAINT", item)
            # A code of its own tells the knee bag from the bolster; EV5 says it in the comment.
            if _text(item.get("RSTTYPD")).upper() == "KNEE AIR BAG":
                record["RSTCOM"] = f"{record['RSTCOM']} KNEE AIR BAG".strip()
            found.append(record)
    return found


def _why_not_frontal(raw: Mapping[str, Any], test: Record, driver: Record | None) -> str | None:
    if test["TSTCFN"] not in FRONTAL_CONFIGURATIONS:
        described = _text(raw.get("TSTCFND")) or test["TSTCFN"] or "unknown"
        return f"the configuration is {described}"
    angle = number(test, "IMPANG", zero_is_unknown=False)
    if angle is not None and abs((angle + 180.0) % 360.0 - 180.0) > FRONTAL_WITHIN_DEG:
        return f"the impact comes from {angle:g} deg"
    return None if driver is not None else "no vehicle has a driver"
