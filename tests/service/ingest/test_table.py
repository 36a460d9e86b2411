import copy
import json

import numpy as np
import pytest

from service.errors import FileFormatError, InputError
from service.ingest import ReadOptions, label_occupants, load_mapping, read_crash_test
from service.ingest.table_mapping import parse_mapping
from tests.crash_files import MAPPING, SPEED_MPS, csv_files, signals_g, speed_mps, times
from tests.ev5_writer import write_folder

ROLC_G = 26.170038


def mapping(**changes):
    return copy.deepcopy(MAPPING) | changes


def read(folder, files, **options):
    return read_crash_test(write_folder(folder, files), options=ReadOptions(**options))


def reasons(test):
    return {item.part: item.reason for item in test.quarantined}


def test_without_a_mapping_it_asks_for_one(tmp_path):
    with pytest.raises(
        InputError, match=r"run\.csv is a table.*--mapping FILE.*run\.mapping\.json beside it"
    ):
        read(tmp_path, {"run.csv": csv_files()["run.csv"]})


def test_the_mapping_by_hand_goes_before_the_one_beside(tmp_path):
    by_hand = parse_mapping(json.dumps(mapping(title="By hand", features={"test_mass_kg": 1500})), "m")
    test = read(tmp_path, csv_files(), mapping=by_hand)
    assert test.title == "By hand"
    assert test.features["test_mass_kg"] == 1500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": []}, "/channels: "),
        ({"time": {"column": "t"}}, "/time/unit: Field required"),
        (
            {"time": {"column": "t", "unit": "fortnight"}},
            "'fortnight' is not a unit of time; known: s, ms, us",
        ),
        ({"delimeter": ";"}, "/delimeter: Extra inputs"),
        ({"delimiter": ",", "decimal": ","}, "the decimal sign cannot be the delimiter"),
        ({"header_rows": 0}, "is named, but header_rows is 0"),
        ({"initial_speed": {"value": -3, "unit": "m/s"}}, "/initial_speed/value"),
        ({"initial_speed": {"value": 50}}, "/initial_speed/unit: Field required"),
        ({"channels": [{"column": 1, "unit": "g", "axis": "x", "role": "chest"}]}, "names its occupant"),
        ({"channels": [{"column": 1, "axis": "x", "role": "vehicle"}]}, "/channels/0/unit: Field required"),
        ({"channels": [{"column": 0, "unit": "g", "axis": "x", "role": "vehicle"}]}, "/channels/0/column"),
    ],
)
def test_a_wrong_mapping_names_its_field(change, message):
    with pytest.raises(InputError) as raised:
        parse_mapping(json.dumps(mapping(**change)), "m.json")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, b"\xff\xfe"])
def test_what_is_no_mapping(text):
    with pytest.raises(InputError, match=r"The mapping m\.json is"):
        parse_mapping(text, "m.json")


def test_a_mapping_file(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(MAPPING))
    assert load_mapping(tmp_path / "m.json").time.unit == "ms"
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_mapping(tmp_path / "nothing.json")


def test_columns_by_number_and_other_axes(tmp_path):
    numbered = mapping()
    for number, channel in enumerate(numbered["channels"], 1):
        headings = csv_files()["run.csv"].split(b"\n")[0].decode().split(",")
        channel["column"] = headings.index(channel["column"]) + 1
        channel["axis"] = "z" if number == 6 else "x"
    test = read(tmp_path, csv_files(numbered))
    assert reasons(test) == {"7": "its axis is z; a label needs x"}
    assert label_occupants(test)[0].rolc_g == pytest.approx(ROLC_G, abs=1e-4)


def test_european_tables(tmp_path):
    files = csv_files(mapping(delimiter=";", decimal=","))
    files["run.csv"] = files["run.csv"].replace(b",", b";").replace(b".", b",")
    assert label_occupants(read(tmp_path, files))[0].rolc_g == pytest.approx(ROLC_G, abs=1e-4)


def test_a_decimal_comma_that_nobody_announced(tmp_path):
    files = csv_files(mapping(delimiter=";"))
    files["run.csv"] = files["run.csv"].replace(b",", b";").replace(b".", b",")
    with pytest.raises(FileFormatError, match="decimal comma"):
        read(tmp_path, files)


def test_velocities_bring_the_speed(tmp_path):
    speeds = {n: speed_mps(values) * 3.6 for n, values in signals_g().items() if n != 12}
    rows = np.column_stack([times()[200:] * 1e3, *speeds.values()])
    channels = [
        c | {"unit": "km/h", "column": at}
        for at, c in zip((5, 6, 2, 3, 4), MAPPING["channels"], strict=False)
    ]
    document = mapping(channels=channels, time={"column": 1, "unit": "ms"}, header_rows=0)
    del document["initial_speed"]
    text = "\n".join(",".join(f"{cell:.9g}" for cell in row) for row in rows)
    test = read(tmp_path, {"run.csv": text.encode(), "run.mapping.json": json.dumps(document).encode()})
    assert test.initial_speed_mps == pytest.approx(SPEED_MPS, rel=1e-6)
    assert label_occupants(test)[0].rolc_g == pytest.approx(ROLC_G, abs=0.02)


def test_a_sign_turns_a_channel(tmp_path):
    turned = mapping()
    turned["channels"][2]["sign"] = -1
    files = csv_files(turned, signals=signals_g() | {1: -signals_g()[1]})
    assert label_occupants(read(tmp_path, files))[0].flags == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("chest 2", "chest"), r"has 2 columns 'chest'\. Name it by number"),
        (lambda text: text.replace("engine", "motor"), r"has no column 'engine'\. Headings: 'Time \[ms\]', "),
        (lambda text: text.replace("\n", '\n"', 1), r"run\.csv is no table: "),
        (lambda text: "\n".join(text.split("\n")[:1]), r"it has 0 samples"),
        (lambda text: "\n".join(text.split("\n")[:50] + text.split("\n")[90:]), "time step to row 50"),
        (lambda text: "\n".join(text.split("\n")[:50] + text.split("\n")[20:]), "do not increase: row 50"),
    ],
)
def test_a_table_that_does_not_fit(tmp_path, change, message):
    files = csv_files()
    files["run.csv"] = change(files["run.csv"].decode()).encode()
    with pytest.raises(InputError, match=message):
        read(tmp_path, files)


def test_a_bad_cell_costs_its_column(tmp_path):
    files = csv_files(signals=signals_g() | {1: np.where(times() == times()[300], np.nan, signals_g()[1])})
    test = read(tmp_path, files)
    assert reasons(test) == {"3 chest": "column 'chest', row 302, 'nan', is not finite."}


def test_a_place_nobody_knows(tmp_path):
    wrong = mapping()
    wrong["channels"][0]["place"] = "roof"
    with pytest.raises(InputError, match=r"unknown place 'roof'\. Known: b_pillar_left"):
        read(tmp_path, csv_files(wrong))


def test_several_tables(tmp_path):
    with pytest.raises(FileFormatError, match=r"must hold one table; found: other\.csv, run\.csv"):
        read(tmp_path, csv_files() | {"other.csv": b"a"})
