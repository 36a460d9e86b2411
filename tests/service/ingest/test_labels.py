from dataclasses import replace

import numpy as np
import pytest

from service.errors import InputError
from service.ingest import label_occupants, read_crash_test
from service.ingest.labels import vehicle_pulse
from service.signals.channel import Channel
from tests.ev5_writer import ev5_files, write_folder


@pytest.fixture
def crash_test(tmp_path):
    return read_crash_test(write_folder(tmp_path / "test", ev5_files()))


def scaled(channel, factor):
    return channel.with_values(channel.values * factor)


def test_one_label_per_occupant_with_its_evidence(crash_test):
    driver, passenger = label_occupants(crash_test)
    assert (driver.role, passenger.role) == ("driver", "passenger")
    assert driver.channels == ("010 FLLR NA X", "011 FLRR NA X", "001 CHST 01 X")
    assert driver.label_definition == "rolc/1"
    assert 15 < driver.rolc_g < passenger.rolc_g < 45  # the passenger's pulse is the shorter one
    assert driver.olc_g == passenger.olc_g
    assert 15 < driver.t1_ms < driver.t2_ms < 110
    assert driver.flags == ()
    assert driver.features["test_mass_kg"] == 1700.0
    assert driver.features["dummy_size"] == "50"
    assert not {"rolc_g", "olc_g", "t1_ms", "t2_ms"} & set(driver.features)


def test_an_occupant_without_chest_signal_has_no_label_and_not_0(crash_test):
    driver = replace(crash_test.occupants[0], chest=None)
    label = label_occupants(replace(crash_test, occupants=(driver,)))[0]
    assert (label.rolc_g, label.t1_ms, label.t2_ms) == (None, None, None)
    assert label.flags == ("no_usable_chest_sensor",)
    assert label.channels == ("010 FLLR NA X", "011 FLRR NA X")


@pytest.mark.parametrize(("angle", "labelled"), [(330.0, True), (30.0, True), (None, True), (270.0, False)])
def test_only_frontal_impacts(crash_test, angle, labelled):
    label = label_occupants(replace(crash_test, impact_angle_deg=angle))[0]
    assert (label.rolc_g is not None) == labelled
    assert ("not_frontal" in label.flags) != labelled


def test_values_no_sensor_can_mean_are_left_out(crash_test):
    def label_of(factor):
        driver = crash_test.occupants[0]
        car = tuple(scaled(sensor, factor) for sensor in crash_test.vehicle)
        wild = replace(driver, chest=scaled(driver.chest, factor), chest_redundant=())
        speed = crash_test.initial_speed_mps * factor
        changed = replace(crash_test, vehicle=car, occupants=(wild,), initial_speed_mps=speed)
        return label_occupants(changed)[0]

    usual = label_of(1.0).rolc_g
    hard = label_of(60 / usual)
    assert hard.rolc_g == pytest.approx(60, rel=0.05)
    assert hard.flags == ("crush_implausible", "outside_usual_range")
    impossible = label_of(120 / usual)
    assert impossible.rolc_g is None
    assert impossible.flags[-1] == "impossible_value"
    assert impossible.uncertainty_g is None


def test_flags_of_reader_and_rule_come_together(crash_test):
    inverted = tuple(scaled(sensor, -1.0) for sensor in crash_test.vehicle)
    driver = replace(crash_test.occupants[0], flags=("chest_redundant_sensor",))
    changed = replace(crash_test, vehicle=inverted, occupants=(driver,), flags=("vehicle_one_side",))
    label = label_occupants(changed)[0]
    assert label.flags == ("vehicle_one_side", "polarity_inverted_vehicle", "chest_redundant_sensor")
    assert label.rolc_g == pytest.approx(label_occupants(crash_test)[0].rolc_g)


def sensor(level, *, samples=500, offset=0.0):
    values = np.full(samples, offset)
    values[200:300] += level
    return Channel(values, 1e-4, -0.02, "g")


def test_the_pulse_is_the_mean_without_offsets():
    pulse, flags = vehicle_pulse((sensor(-20.0, offset=3.0), sensor(-30.0, offset=-1.0)))
    assert pulse.to_unit("g").values[250] == pytest.approx(-25.0)
    assert pulse.values[0] == pytest.approx(0.0)
    assert flags == ()


def test_one_inverted_sensor_does_not_cancel_the_other():
    pulse, flags = vehicle_pulse((sensor(-20.0), sensor(30.0)))
    assert pulse.to_unit("g").values[250] == pytest.approx(-25.0)
    assert flags == ("polarity_inverted_vehicle",)


def test_a_sensor_on_another_grid_is_left_out_with_a_flag():
    pulse, flags = vehicle_pulse((sensor(-20.0), sensor(-30.0, samples=400)))
    assert pulse.to_unit("g").values[250] == pytest.approx(-20.0)
    assert flags == ("vehicle_sensor_on_other_grid_left_out",)


def test_an_unknown_definition(crash_test):
    with pytest.raises(InputError, match="'rolc/9' is not a label definition"):
        label_occupants(crash_test, definition="rolc/9")


def test_sensors_that_disagree_throw_doubt_on_the_other_occupants(crash_test):
    """Curve files carry no name: two that are mixed up show only where there is a sensor to compare with."""
    driver, passenger = crash_test.occupants
    mixed = (replace(driver, chest=passenger.chest), replace(passenger, chest=driver.chest))
    labels = label_occupants(replace(crash_test, occupants=mixed))
    assert "sensor_disagreement" in labels[0].flags
    assert labels[1].flags == ("sensor_disagreement_in_test",)


def test_a_primary_sensor_without_label_where_the_redundant_one_has_one(crash_test):
    driver, passenger = crash_test.occupants
    early = driver.chest.with_values(np.roll(driver.chest.values, -160))
    labels = label_occupants(replace(crash_test, occupants=(replace(driver, chest=early), passenger)))
    assert labels[0].rolc_g is None
    assert labels[0].flags[-1] == "sensor_disagreement"
    assert labels[1].flags == ("sensor_disagreement_in_test",)
