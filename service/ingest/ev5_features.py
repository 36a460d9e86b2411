"""Features of an EV5 test that are known before it, in canonical names with units.

Whatever the test itself produced (injury values, belt loads, contacts, deployment, crush, the AX
measurements) never becomes a feature: a surrogate that sees it would look excellent and know nothing.
"""

from __future__ import annotations

from service.ingest.ev5_records import Record
from service.ingest.model import FeatureValue

UNKNOWN_NUMBERS = {9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0}
UNKNOWN_CODES = {"", "NA", "NAP", "UN", "UNK", "U", "NO COMMENTS"}
# A car driven into something that stands still: closing speed is its own speed.
FIXED_OBSTACLE = {"VTB", "VTP"}

TEST_CODES = {"test_configuration": "TSTCFN", "test_type": "TSTTYP"}
TEST_SIGNED_NUMBERS = {"impact_angle_deg": "IMPANG", "offset_mm": "OFFSET"}
BARRIER_CODES = {"barrier_rigidity": "BARRIG", "barrier_shape": "BARSHP"}
VEHICLE_CODES = {
    "make_code": "MAKE", "model_code": "MODEL", "body_type": "BODY", "engine_type": "ENGINE",
    "transmission": "TRANSM", "vehicle_modification": "MODIND", "steering_column_type": "COLMEC",
}  # fmt: skip
VEHICLE_NUMBERS = {
    "model_year": "YEAR", "engine_displacement_l": "ENGDSP", "test_mass_kg": "VEHTWT",
    "curb_mass_kg": "CURBWT", "wheelbase_mm": "WHLBAS", "vehicle_length_mm": "VEHLEN",
    "vehicle_width_mm": "VEHWID", "front_axle_to_cg_mm": "VEHCG", "column_to_a_post_mm": "BX17",
    "column_to_headliner_mm": "BX18", "engine_block_length_mm": "BX21",
}  # fmt: skip
# BX1 is the overall length; the others are measured from the rear, so the difference is what is in front.
VEHICLE_FROM_FRONT = {
    "bumper_to_engine_mm": "BX2", "bumper_to_firewall_mm": "BX3", "bumper_to_steering_column_mm": "BX16",
}  # fmt: skip
OCCUPANT_CODES = {
    "dummy_type": "OCCTYP", "dummy_size": "DUMSIZ", "occupant_sex": "OCCSEX", "seat_position": "SEPOSN",
}  # fmt: skip
OCCUPANT_NUMBERS = {
    "head_to_header_mm": "HH", "head_to_windshield_mm": "HW", "chest_to_dash_mm": "CD",
    "chest_to_steering_wheel_mm": "CS", "knee_to_dash_mm": "KD",
}  # fmt: skip

BELT_TYPES = ("3PT", "PS3", "PS2", "LAP", "ABT")
FRONT_MOUNTS = {"SW", "DT", "DM", "DP"}


def number(record: Record, field: str, *, zero_is_unknown: bool = True) -> float | None:
    """A number of a record; None for blanks, text and the values that NHTSA writes for unknown."""
    try:
        value = float(record[field])
    except ValueError:
        return None
    finite_and_known = abs(value) < float("inf") and abs(value) not in UNKNOWN_NUMBERS
    return value if finite_and_known and (value != 0 or not zero_is_unknown) else None


def code(record: Record, field: str) -> str | None:
    """A code of a record; None when it says unknown or not applicable."""
    value = record[field].upper()
    return None if value in UNKNOWN_CODES else value


def is_fixed_obstacle(test: Record) -> bool | None:
    """Whether the car hits something that does not move; None when the configuration is unknown."""
    configuration = code(test, "TSTCFN")
    return None if configuration is None else configuration in FIXED_OBSTACLE


def impact_speed_kmh(test: Record, vehicle: Record) -> float | None:
    """Speed of the car; the closing speed stands in only when the obstacle does not move."""
    own = number(vehicle, "VEHSPD")
    if own is None and is_fixed_obstacle(test):
        own = number(test, "CLSSPD")
    return abs(own) if own is not None else None


def test_features(test: Record, vehicle: Record, barriers: list[Record]) -> dict[str, FeatureValue]:
    """Features of the test set-up and of the car."""
    features: dict[str, FeatureValue] = {"impact_speed_kmh": impact_speed_kmh(test, vehicle)}
    features |= {name: code(test, field) for name, field in TEST_CODES.items()}
    for name, field in TEST_SIGNED_NUMBERS.items():
        features[name] = number(test, field, zero_is_unknown=False)
    features["temperature_degc"] = number(test, "TEMP")
    for name, field in BARRIER_CODES.items():
        features[name] = code(barriers[0], field) if barriers else None
    features["barrier_angle_deg"] = number(barriers[0], "BARANG", zero_is_unknown=False) if barriers else None
    features |= {name: code(vehicle, field) for name, field in VEHICLE_CODES.items()}
    features |= {name: number(vehicle, field) for name, field in VEHICLE_NUMBERS.items()}
    features |= {name: _from_front(vehicle, field) for name, field in VEHICLE_FROM_FRONT.items()}
    return features


def _from_front(vehicle: Record, field: str) -> float | None:
    length, from_rear = number(vehicle, "BX1"), number(vehicle, field)
    return None if length is None or from_rear is None or from_rear >= length else length - from_rear


def occupant_features(occupant: Record, restraints: list[Record]) -> dict[str, FeatureValue]:
    """Features of one occupant; `restraints` are those of the same seat."""
    features: dict[str, FeatureValue] = {name: code(occupant, f) for name, f in OCCUPANT_CODES.items()}
    features |= {name: _clearance(occupant, field) for name, field in OCCUPANT_NUMBERS.items()}
    return features | _restraint_features(restraints)


def _clearance(occupant: Record, field: str) -> float | None:
    value = number(occupant, field)
    return value if value is None or value > 0 else None


def _restraint_features(restraints: list[Record]) -> dict[str, FeatureValue]:
    belts = [record for record in restraints if code(record, "RSTTYP") in BELT_TYPES]
    comments = " ".join(belt["RSTCOM"].upper() for belt in belts).strip()
    pretensioner = _mentioned(comments, ("PRETENS", "PRE-TENS"))
    limiter = _mentioned(comments, ("LIMITER", "LOAD LIMIT", "FORCE LIMIT"))
    return {
        "belt_type": code(belts[0], "RSTTYP") if belts else None,
        "has_belt_pretensioner": pretensioner,
        "has_belt_load_limiter": limiter,
        "has_frontal_airbag": float(any(map(_is_frontal_airbag, restraints))) if restraints else None,
        "has_knee_airbag": float(any(map(_is_knee_airbag, restraints))) if restraints else None,
    }


def _is_frontal_airbag(restraint: Record) -> bool:
    kind = code(restraint, "RSTTYP")
    return kind == "FRT" or (kind == "ABG" and code(restraint, "RSTMNT") in FRONT_MOUNTS)


def _is_knee_airbag(restraint: Record) -> bool:
    return code(restraint, "RSTTYP") == "KNE" and "BAG" in restraint["RSTCOM"].upper()


def _mentioned(comments: str, words: tuple[str, ...]) -> float | None:
    """1 or 0 as the belts' comments say; None when nobody commented."""
    if comments in UNKNOWN_CODES:
        return None
    return float(any(word in comments for word in words))
