"""The real NHTSA test 10146: a 2018 Toyota Camry at 57.09 km/h into a rigid wall."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import FileFormatError
from service.ingest import label_occupants, read_crash_test
from service.ingest.archive import open_files
from service.ingest.ev5_curves import read_acceleration
from service.ingest.ev5_records import parse_records
from service.ingest.labels import vehicle_pulse
from service.signals.clip import clip_3ms
from service.signals.filters import cfc_filter
from service.signals.integration import remove_offset
from service.signals.olc import occupant_load_criterion
from service.signals.rolc import real_occupant_load_criterion

FOLDER = Path(__file__).parents[4] / "shared/data/nhtsa_10146"
ISO_FOLDER = FOLDER.with_name("isomme_10146")
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="NHTSA test 10146 is not beside the repository (../shared/data/nhtsa_10146)"
)


@pytest.fixture(scope="module")
def crash_test():
    return read_crash_test(FOLDER)


@pytest.fixture(scope="module")
def curve():
    """Any accelerometer of the test by its curve number."""
    with open_files(FOLDER) as files:
        records = parse_records(files.read("v10146.EV5"), "v10146.EV5")
        by_number = {record["CURNO"]: record for record in records.sets["INSTRUMENTATION"]}
        yield lambda number: read_acceleration(files, "v10146.EV5", by_number[str(number)])


def test_all_records_fit(crash_test):
    with open_files(FOLDER) as files:
        records = parse_records(files.read("v10146.EV5"), "v10146.EV5")
    counts = {name: len(found) for name, found in records.sets.items()}
    assert counts["INSTRUMENTATION"] == 634
    assert (counts["OCCUPANT"], counts["RESTRAINT"]) == (2, 6)
    assert records.quarantined == ()
    assert crash_test.test_number == "10146"


def test_labels(crash_test):
    driver, passenger = label_occupants(crash_test)
    assert driver.rolc_g == pytest.approx(25.83, abs=0.05)
    assert driver.t1_ms == pytest.approx(23.7, abs=0.1)
    assert driver.t2_ms == pytest.approx(95.5, abs=0.1)
    assert passenger.rolc_g == pytest.approx(28.2, abs=0.05)
    assert driver.olc_g == pytest.approx(29.39, abs=0.05)
    assert driver.flags == passenger.flags == ()
    assert driver.channels == (
        "093 LEFT REAR SEAT CROSSMEMBER X",
        "094 RIGHT REAR SEAT CROSSMEMBER X",
        "013 DRIVER CHEST X",
    )


def test_features(crash_test):
    assert crash_test.features["impact_speed_kmh"] == 57.09
    assert crash_test.features["test_mass_kg"] == 1719.0
    assert crash_test.features["bumper_to_engine_mm"] == 633.0
    assert crash_test.features["bumper_to_firewall_mm"] == 1365.0
    driver, passenger = (occupant.features for occupant in crash_test.occupants)
    assert (driver["chest_to_steering_wheel_mm"], passenger["chest_to_steering_wheel_mm"]) == (302.0, None)
    assert (driver["has_knee_airbag"], driver["has_belt_pretensioner"]) == (1.0, 1.0)
    assert (passenger["dummy_size"], passenger["seat_position"]) == ("05", "FW")


@pytest.mark.parametrize(
    ("vehicle", "chest", "rolc_g"),
    [(93, 13, 25.82), (94, 13, 25.84), (95, 13, 25.19), (93, 16, 25.80)],
)
def test_what_moves_the_label_and_what_does_not(curve, crash_test, vehicle, chest, rolc_g):
    """One side or a redundant chest sensor hardly matter, the engine does."""
    result = real_occupant_load_criterion(curve(vehicle), curve(chest), crash_test.initial_speed_mps)
    assert result.rolc_g == pytest.approx(rolc_g, abs=0.015)


@pytest.mark.parametrize(
    ("gain", "bias_g", "change_g"), [(1.01, 0.0, 0.20), (1.03, 0.0, 0.63), (1.0, 0.5, 0.0)]
)
def test_a_gain_error_of_the_chest_moves_the_label_and_an_offset_does_not(
    curve, crash_test, gain, bias_g, change_g
):
    pulse, _ = vehicle_pulse(crash_test.vehicle)
    chest = crash_test.occupants[0].chest
    wrong = chest.with_values(chest.values * gain + bias_g)
    speed = crash_test.initial_speed_mps
    moved = real_occupant_load_criterion(pulse, wrong, speed).rolc_g
    assert moved - real_occupant_load_criterion(pulse, chest, speed).rolc_g == pytest.approx(
        change_g, abs=0.02
    )


def test_olc_of_the_left_sensor_as_in_pyisomme(curve, crash_test):
    left = remove_offset(cfc_filter(curve(93), 180))
    assert occupant_load_criterion(left, crash_test.initial_speed_mps).olc_g == pytest.approx(29.26, abs=0.01)


def test_3_ms_clip_of_the_chest_as_nhtsa_reports_it(curve):
    axes = [remove_offset(cfc_filter(curve(number), 180)) for number in (13, 14, 15)]
    resultant = axes[0].with_values(np.sqrt(sum(axis.values**2 for axis in axes)))
    assert clip_3ms(resultant) == pytest.approx(41.0, abs=0.1)


def test_the_failed_engine_channel_is_never_used(curve):
    with pytest.raises(FileFormatError, match="the channel failed"):
        curve(96)


@pytest.mark.skipif(not ISO_FOLDER.is_dir(), reason="its ISO-MME form is not beside the repository")
def test_ev5_and_iso_mme_give_the_same_label(crash_test):
    iso = label_occupants(read_crash_test(ISO_FOLDER))
    assert [label.role for label in iso] == ["driver"]
    ev5 = label_occupants(crash_test)[0]
    for ours, theirs in (
        (iso[0].rolc_g, ev5.rolc_g),
        (iso[0].olc_g, ev5.olc_g),
        (iso[0].uncertainty_g, ev5.uncertainty_g),
    ):
        assert ours == pytest.approx(theirs, abs=0.02)
    assert (iso[0].t1_ms, iso[0].t2_ms) == (pytest.approx(ev5.t1_ms), pytest.approx(ev5.t2_ms))
    assert iso[0].flags == ev5.flags == ()


def test_other_definitions_as_measured_on_this_test(crash_test):
    driver = label_occupants(crash_test)[0]
    assert driver.rolc_by_definition_g["rolc_3g/1"] == pytest.approx(25.44, abs=0.02)
    assert driver.rolc_by_definition_g["rolc_15mm/1"] == pytest.approx(25.04, abs=0.05)
    assert driver.uncertainty_g == pytest.approx(0.49, abs=0.02)
    assert (
        label_occupants(crash_test, definition="rolc_3g/1")[0].rolc_g
        == driver.rolc_by_definition_g["rolc_3g/1"]
    )


def test_why_these_channels(crash_test):
    assert [(item.role, item.key) for item in crash_test.selection] == [
        ("vehicle", "093"), ("vehicle", "094"), ("chest of driver", "013"), ("chest of passenger", "059"),
    ]  # fmt: skip
    assert "compared with 016" in crash_test.selection[2].reason
    assert len(crash_test.vehicle_redundant) == 2
