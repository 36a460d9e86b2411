"""Metadata in the recorded shape of the API, and what becomes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.campaigns.feature_schemas import NHTSA_FRONTAL_1
from service.errors import FileFormatError
from service.ingest import read_crash_test
from service.ingest.derived import with_derived
from service.ingest.nhtsa_metadata import read_metadata
from tests.nhtsa_server import NO_DATA, metadata

RECORDS = Path(__file__).parents[4] / "shared/data/nhtsa_10146_records.json"


def read(**changes: Any):
    found = read_metadata(9000, metadata(9000, "https://x/v.zip", **changes))
    assert found is not None
    return found


def test_descriptions_and_texts_become_the_features_of_an_ev5_file() -> None:
    features = read().features
    assert features["impact_speed_kmh"] == 56.3
    assert (features["test_configuration"], features["test_type"]) == ("VTB", "NCA")
    assert (features["barrier_rigidity"], features["barrier_shape"]) == ("R", "LCB")
    assert (features["test_mass_kg"], features["curb_mass_kg"], features["wheelbase_mm"]) == (
        1700,
        1514,
        2825,
    )
    assert (features["model_year"], features["engine_displacement_l"]) == (2018, 2.5)
    assert (features["body_type"], features["engine_type"], features["transmission"]) == ("4S", "4CIF", "AF")
    assert features["crush_space_mm"] == 855
    assert (features["dummy_type"], features["dummy_size"], features["occupant_sex"]) == ("H3", "50", "M")
    assert (features["chest_to_steering_wheel_mm"], features["knee_to_dash_mm"]) == (302, 166)
    assert features["belt_type"] == "3PT"
    for name in ("has_belt_pretensioner", "has_belt_load_limiter", "has_frontal_airbag", "has_knee_airbag"):
        assert features[name] == 1.0


def test_sentinels_are_unknown() -> None:
    features = read(OCCUPANT={"CS": 99999999, "KD": 0, "CD": None, "HH": "9999"}).features
    for name in ("chest_to_steering_wheel_mm", "knee_to_dash_mm", "chest_to_dash_mm", "head_to_header_mm"):
        assert features[name] is None
    assert features["vehicle_width_mm"] is None  # 0
    assert features["front_axle_to_cg_mm"] is None  # 9999
    assert features["steering_column_type"] is None  # a blank


def test_a_new_word_of_the_database_is_unknown_and_no_guess() -> None:
    features = read(VEHICLE={"BODYD": "4 DOOR FLYING CAR"}).features
    assert features["body_type"] is None


@pytest.mark.parametrize("number", ["1700", 1700, 1700.0, " 1700 "])
def test_numbers_come_as_numbers_or_texts(number: object) -> None:
    assert read(VEHICLE={"VEHTWT": number}).features["test_mass_kg"] == 1700.0


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, [1700], {"a": 1}, "heavy", None, ""])
def test_what_is_no_number_is_unknown(number: object) -> None:
    assert read(VEHICLE={"VEHTWT": number}).features["test_mass_kg"] is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"TEST": {"IMPANG": 330}}, None),
        ({"TEST": {"IMPANG": 270}}, "270 deg"),
        ({"TEST": {"TSTCFND": "ROLLOVER"}}, "ROLLOVER"),
        ({"TEST": {"TSTCFND": None}}, "unknown"),
        ({"OCCUPANT": {"OCCLOC": "NA"}}, "no vehicle has a driver"),
    ],
)
def test_only_frontal_tests_with_a_driver_are_worth_a_download(
    changes: dict[str, Any], why: str | None
) -> None:
    found = read(**changes).not_frontal
    assert found is None if why is None else why in found


def test_no_such_test_is_none() -> None:
    assert read_metadata(9000, NO_DATA) is None
    assert read_metadata(9000, {"results": []}) is None


@pytest.mark.parametrize(
    "document", [None, [], "x", {"results": ["x"]}, {"results": [{"TEST": []}]}, {"results": 7}]
)
def test_another_shape_is_said_and_not_guessed_at(document: object) -> None:
    with pytest.raises(FileFormatError, match="test 9000 are shaped otherwise"):
        read_metadata(9000, document)


def test_metadata_of_another_test_are_refused() -> None:
    with pytest.raises(FileFormatError, match="about test 9001"):
        read_metadata(9000, metadata(9001, None))


@pytest.mark.parametrize("missing", ["VEHICLE", "BARRIER", "OCCUPANT", "RESTRAINT", "URL"])
@pytest.mark.parametrize("value", [None, [], {}, "x"])
def test_a_part_that_is_missing_costs_its_features_only(missing: str, value: object) -> None:
    document = metadata(9000, "https://x/v.zip")
    document["results"][0][missing] = value
    found = read_metadata(9000, document)
    assert found is not None
    if missing in {"VEHICLE", "OCCUPANT"}:
        assert found.not_frontal == "no vehicle has a driver"
    elif missing == "URL":
        assert found.ev5_url is None
    else:
        assert found.features["test_mass_kg"] == 1700


def test_no_result_of_the_test_reaches_a_feature() -> None:
    """Every field that is known after the test gets another value; not one feature may change."""
    vehicle = [
        "PDOF",
        "VDI",
        "CRHDST",
        "DAMDST",
        "LENCNT",
        *(f"DPD{n}" for n in range(1, 7)),
        *(f"AX{n}" for n in range(1, 22)),
    ]
    occupant = [
        "HIC",
        "T1",
        "T2",
        "CLIP3M",
        "CSI",
        "LFEM",
        "RFEM",
        "LBELT",
        "SBELT",
        "PELVG",
        "TTI",
        "CNTRH1D",
        "CNTRC1D",
    ]
    marked = [
        read(
            VEHICLE=dict.fromkeys(vehicle, marker),
            OCCUPANT=dict.fromkeys(occupant, marker),
            TEST={"TOTCRV": marker},
        )
        for marker in ("1234", 567.0)
    ]
    assert marked[0].features == marked[1].features == read().features


@pytest.mark.skipif(
    not RECORDS.exists(), reason="the records of test 10146 lie beside the repository, not in it"
)
def test_the_records_of_a_real_test_give_what_its_ev5_file_gives() -> None:
    """The real EV5 records of test 10146, dressed as the API's answer, against the EV5 reader."""
    records = json.loads(RECORDS.read_text())
    entry = {
        name: rows
        for name, rows in records.items()
        if name in {"VEHICLE", "BARRIER", "OCCUPANT", "RESTRAINT"}
    }
    document = {"results": [{**entry, "TEST": records["TEST"][0], "URL": {}}]}
    found = read_metadata(10146, document)
    test = read_crash_test(RECORDS.with_name("nhtsa_10146"))
    expected = with_derived({**test.features, **test.occupants[0].features})
    assert found is not None
    for feature in NHTSA_FRONTAL_1.features:
        assert found.features[feature.name] == expected[feature.name], feature.name
