import pytest

from service.ingest import read_crash_test
from service.ingest.ev5_records import RECORD_FIELDS
from tests.ev5_writer import AIRBAG, BELT, DRIVER, PASSENGER, ev5_files, write_folder


@pytest.fixture
def read(tmp_path):
    return lambda **changes: read_crash_test(write_folder(tmp_path / "test", ev5_files(**changes)))


def test_canonical_names_with_units(read):
    features = read().features
    assert features["impact_speed_kmh"] == 56.3
    assert features["test_mass_kg"] == 1700.0
    assert features["curb_mass_kg"] == 1500.0
    assert features["wheelbase_mm"] == 2800.0
    assert features["model_year"] == 2018.0
    assert features["bumper_to_engine_mm"] == 4900 - 4250
    assert features["bumper_to_firewall_mm"] == 4900 - 3550
    assert (features["test_configuration"], features["barrier_rigidity"]) == ("VTB", "R")


def test_occupant_and_restraints(read):
    driver, passenger = (occupant.features for occupant in read().occupants)
    assert (driver["dummy_type"], driver["dummy_size"], driver["occupant_sex"]) == ("H3", "50", "M")
    assert driver["chest_to_steering_wheel_mm"] == 300.0
    assert passenger["chest_to_steering_wheel_mm"] is None  # 0 = there is no wheel
    assert (passenger["dummy_size"], passenger["seat_position"]) == ("05", "FW")
    for occupant in (driver, passenger):
        assert occupant["belt_type"] == "3PT"
        assert occupant["has_belt_pretensioner"] == occupant["has_belt_load_limiter"] == 1.0
        assert (occupant["has_frontal_airbag"], occupant["has_knee_airbag"]) == (1.0, 0.0)


def test_unknown_values_are_none_but_a_zero_angle_is_zero(read):
    features = read(vehicle={"WHLBAS": "99999999", "CURBWT": "9999", "YEAR": "0", "ENGDSP": "n/a"}).features
    assert features["wheelbase_mm"] is None
    assert features["curb_mass_kg"] is None
    assert features["model_year"] is None
    assert features["engine_displacement_l"] is None
    assert features["vehicle_width_mm"] is None  # written as 0
    assert features["engine_block_length_mm"] is None  # written as 9999
    assert features["vehicle_length_mm"] == 4900.0
    assert (features["impact_angle_deg"], features["offset_mm"]) == (0.0, 0.0)


def test_geometry_that_cannot_be_is_none(read):
    assert read(vehicle={"BX2": "5000"}).features["bumper_to_engine_mm"] is None
    assert read(vehicle={"BX1": "0"}).features["bumper_to_firewall_mm"] is None


def restraint_features(read, *restraints):
    return read(restraints=[{**kind, "OCCLOC": "01"} for kind in restraints]).occupants[0].features


def test_what_nobody_wrote_down_is_unknown_and_not_absent(read):
    silent = restraint_features(read, {**BELT, "RSTCOM": ""})
    assert silent["has_belt_pretensioner"] is None
    assert silent["has_belt_load_limiter"] is None
    assert silent["has_frontal_airbag"] == 0.0
    none = restraint_features(read)
    assert (none["belt_type"], none["has_frontal_airbag"]) == (None, None)


def test_a_comment_that_names_one_device_denies_the_other(read):
    features = restraint_features(read, {**BELT, "RSTCOM": "BELT WITH LOAD LIMITER"})
    assert (features["has_belt_pretensioner"], features["has_belt_load_limiter"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("kind", "mount", "comment", "frontal", "knee"),
    [
        ("ABG", "SW", "", 1.0, 0.0),
        ("ABG", "DR", "", 0.0, 0.0),
        ("KNE", "KB", "KNEE AIRBAG", 0.0, 1.0),
        ("KNE", "DP", "KNEE BOLSTER", 0.0, 0.0),
    ],
)
def test_kinds_of_air_bag(read, kind, mount, comment, frontal, knee):
    bag = {**AIRBAG, "RSTTYP": kind, "RSTMNT": mount, "RSTCOM": comment}
    features = restraint_features(read, BELT, bag)
    assert (features["has_frontal_airbag"], features["has_knee_airbag"]) == (frontal, knee)


LEAKS = {
    "VEHICLE": {
        "VDI", "LENCNT", "DAMDST", "CRHDST", "PDOF", "STRSEP", "CARANG", "VEHOR", "BMPENG", "SILENG", "APLENG",
        *(f"DPD{n}" for n in range(1, 7)), *(f"AX{n}" for n in range(1, 22)),
    },
    "OCCUPANT": {
        "CNTRH1", "CNTRH2", "CNTRC1", "CNTRC2", "CNTRL1", "CNTRL2", "HIC", "T1", "T2", "CLIP3M", "LFEM", "RFEM",
        "CSI", "LBELT", "SBELT", "TTI", "PELVG",
    },
    "RESTRAINT": {"DEPLOY"},
}  # fmt: skip


def test_no_result_of_the_test_reaches_a_feature(tmp_path):
    """Every leaking field gets another value; not one feature may change."""

    def features(marker):
        vehicle = dict.fromkeys(LEAKS["VEHICLE"], marker)
        seats = [{**seat, **dict.fromkeys(LEAKS["OCCUPANT"], marker)} for seat in (DRIVER, PASSENGER)]
        restraints = [{**kind, "OCCLOC": "01", "DEPLOY": marker} for kind in (BELT, AIRBAG)]
        files = ev5_files(vehicle=vehicle, occupants=seats, restraints=restraints)
        test = read_crash_test(write_folder(tmp_path / f"test{marker}", files))
        return [dict(test.features), *(dict(occupant.features) for occupant in test.occupants)]

    assert all(fields <= set(RECORD_FIELDS[name]) for name, fields in LEAKS.items())
    assert features("123") == features("456")
