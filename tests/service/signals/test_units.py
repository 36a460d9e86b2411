"""Nothing crosses a boundary without a unit: every unit of a quantity means the same, in numbers and in labels."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InputError
from service.ingest import label_occupants, read_crash_test
from service.signals.channel import Channel
from service.signals.integration import acceleration_of, velocity
from service.signals.rolc import real_occupant_load_criterion
from service.signals.units import UNIT_FACTORS, factor, parse_quantity, parse_unit
from tests.crash_files import (
    MAPPING,
    SPEED_MPS,
    csv_files,
    mme_channels,
    mme_files,
    signals_g,
    speed_mps,
    tdms_file,
)
from tests.ev5_writer import SPEED_KMH, ev5_files, times, usual_curves, write_folder

pairs = st.sampled_from(
    [(quantity, a, b) for quantity, units in UNIT_FACTORS.items() for a in units for b in units]
)
ROLC_G = 26.170038


@given(pairs, st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same(pair, value):
    quantity, a, b = pair
    assert value * factor(a, b, quantity) * factor(b, a, quantity) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "wanted", "expected"),
    [
        (1, "g", "acceleration", "m/s2", 9.80665), (1, "mm/ms2", "acceleration", "m/s2", 1000.0),
        (9806.65, "mm/s2", "acceleration", "g", 1.0), (9.80665e-3, "mm/ms2", "acceleration", "g", 1.0),
        (56, "km/h", "velocity", "m/s", 15.5555555556), (35, "mph", "velocity", "km/h", 56.32704),
        (15.6, "mm/ms", "velocity", "m/s", 15.6), (1, "s", "time", "ms", 1000.0), (250, "us", "time", "ms", 0.25),
        (180, "deg/s", "angular_velocity", "rad/s", np.pi), (1, "t", "mass", "kg", 1000.0),
        (4.5, "kN", "force", "N", 4500.0),
        (65, "mm", "displacement", "m", 0.065),
    ],
)  # fmt: skip
def test_known_conversions(value, unit, quantity, wanted, expected):
    assert value * factor(unit, wanted, quantity) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "quantity", "unit"),
    [
        ("m/(s*s)", "acceleration", "m/s2"), ("m / s2", "acceleration", "m/s2"), ("m/s^2", "acceleration", "m/s2"),
        ("m/s²", "acceleration", "m/s2"), ("METERS/SEC**2", "acceleration", "m/s2"), ("G'S", "acceleration", "g"),
        ("gn", "acceleration", "g"), ("[g]", "acceleration", "g"), ("mm/ms^2", "acceleration", "mm/ms2"),
        ("KM/H", "velocity", "km/h"), ("kph", "velocity", "km/h"), ("m/sec", "velocity", "m/s"), ("SEC", "time", "s"),
        ("µs", "time", "us"), ("msec", "time", "ms"), ("Kg", "mass", "kg"), ("NWT", "force", "N"),
        ("DPS", "angular_velocity", "deg/s"),
    ],
)  # fmt: skip
def test_spellings(text, quantity, unit):
    assert parse_unit(text, quantity) == unit


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("", "acceleration"),
        ("  ", "time"),
        ("m/s", "acceleration"),
        ("g", "velocity"),
        ("foo", "mass"),
        ("m", "light"),
    ],
)
def test_a_unit_is_never_guessed(text, quantity):
    with pytest.raises(InputError, match="unit"):
        parse_unit(text, quantity)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13.92", 13.92),
        ("50 km/h", 50 / 3.6),
        ("50.0 KM/H", 50 / 3.6),
        (".5 m/s", 0.5),
        ("31 mph", 31 * 0.44704),
    ],
)
def test_a_number_with_its_unit(text, expected):
    assert parse_quantity(text, "velocity", "m/s", default_unit="m/s") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "fast", "13,92", "1e999 m/s", "50 furlong", "１３ m/s", "nan"])
def test_what_is_no_number_with_a_unit(text):
    with pytest.raises(InputError):
        parse_quantity(text, "velocity", "m/s", default_unit="m/s")


def test_a_bare_number_needs_a_default():
    with pytest.raises(InputError, match="The unit of velocity is missing"):
        parse_quantity("50", "velocity", "m/s")


accelerations = st.sampled_from(list(UNIT_FACTORS["acceleration"]))
speeds = st.sampled_from(list(UNIT_FACTORS["velocity"]))


@settings(max_examples=25, deadline=None)
@given(accelerations, accelerations)
def test_the_label_does_not_know_units(car_unit, chest_unit):
    signals = signals_g()
    car = Channel(signals[10], 1e-4, -0.02, "g").to_unit(car_unit)
    chest = Channel(signals[1], 1e-4, -0.02, "g").to_unit(chest_unit)
    expected = real_occupant_load_criterion(car.to_unit("g"), chest.to_unit("g"), SPEED_MPS)
    found = real_occupant_load_criterion(car, chest, SPEED_MPS)
    assert found.rolc_g == pytest.approx(expected.rolc_g, rel=1e-9)
    assert (found.t1_ms, found.t2_ms) == pytest.approx((expected.t1_ms, expected.t2_ms))


@settings(max_examples=25, deadline=None)
@given(speeds)
def test_a_velocity_in_any_unit_gives_the_same_acceleration(unit):
    speed = Channel(speed_mps(signals_g()[1]), 1e-4, 0.0, "m/s", quantity="velocity")
    expected = velocity(acceleration_of(speed), SPEED_MPS)
    assert velocity(acceleration_of(speed.to_unit(unit)), SPEED_MPS) == pytest.approx(expected, abs=1e-9)
    assert np.abs(expected - speed.values).max() < 0.01


def driver_rolc(folder, files):
    return label_occupants(read_crash_test(write_folder(folder, files)))[0].rolc_g


@pytest.mark.parametrize("unit", ["G'S", "METERS/SEC**2"])
def test_ev5_in_both_units(tmp_path, unit):
    curves = usual_curves()
    for curve in curves:
        curve.values = curve.values * (1.0 if unit == "G'S" else 9.80665)
        curve.fields["YUNITS"] = unit
    assert driver_rolc(tmp_path / "test", ev5_files(curves)) == pytest.approx(ROLC_G, abs=1e-4)


@pytest.mark.parametrize(
    ("unit", "one_g"),
    [("m/(s*s)", 9.80665), ("g", 1.0), ("gn", 1.0), ("mm/s2", 9806.65), ("m / s2", 9.80665), ("G'S", 1.0)],
)
@pytest.mark.parametrize(
    "speed", [f"{SPEED_MPS:.9f}", f"{SPEED_MPS:.9f} m/s", f"{SPEED_KMH} km/h", f"{SPEED_KMH} KPH"]
)
def test_iso_mme_in_any_unit(tmp_path, unit, one_g, speed):
    channels = mme_channels()
    for channel in channels:
        channel.values = channel.values / 9.80665 * one_g
        channel.unit = unit
    files = mme_files(channels, header={"Velocity test object 1": speed})
    assert driver_rolc(tmp_path / "test", files) == pytest.approx(ROLC_G, abs=1e-4)


@pytest.mark.parametrize(("unit", "one_g"), [("gn", 1.0), ("m/s^2", 9.80665)])
def test_tdms_in_any_unit(tmp_path, unit, one_g):
    changes = {number: {"unit_string": unit} for number in signals_g()}
    signals = {number: values * one_g for number, values in signals_g().items()}
    files = {"v04711.tdms": tdms_file(changes, signals=signals)}
    assert driver_rolc(tmp_path / "test", files) == pytest.approx(ROLC_G, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(
    time=st.sampled_from(["s", "ms", "us"]),
    acceleration=accelerations,
    speed=st.sampled_from([("km/h", SPEED_KMH), ("m/s", SPEED_MPS)]),
)
def test_a_table_in_any_units(tmp_path_factory, time, acceleration, speed):
    files = csv_files()
    seconds, gravity = factor("ms", time, "time"), factor("g", acceleration, "acceleration")
    rows = files["run.csv"].decode().splitlines()
    heading = rows[0].replace("[ms]", f"[{time}]")
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows[1:]])
    table[:, 0] *= seconds
    table[:, 1:] *= gravity
    lines = [",".join(f"{cell:.12g}" for cell in row) for row in table]
    mapping = json.loads(json.dumps(MAPPING))
    mapping["time"] = {"column": f"Time [{time}]", "unit": time}
    mapping["initial_speed"] = {"unit": speed[0], "value": speed[1]}
    for channel in mapping["channels"]:
        channel["unit"] = acceleration
    changed = {
        "run.csv": "\n".join([heading, *lines]).encode(),
        "run.mapping.json": json.dumps(mapping).encode(),
    }
    assert driver_rolc(tmp_path_factory.mktemp("table"), changed) == pytest.approx(ROLC_G, abs=1e-4)


def test_a_heading_that_contradicts_the_mapping_costs_its_columns(tmp_path):
    mapping = json.loads(json.dumps(MAPPING))
    mapping["time"]["unit"] = "s"
    with pytest.raises(InputError, match=r"its heading 'Time \[ms\]' says ms, the mapping s"):
        driver_rolc(tmp_path, csv_files(mapping))


def test_the_signals_of_this_module_are_what_it_says():
    assert times()[200] == pytest.approx(0.0)
