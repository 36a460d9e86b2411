import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import cli
from service.errors import FileFormatError
from tests.crash_files import binout_file, csv_files
from tests.ev5_writer import ev5_files, specification, usual_curves, write_folder, zipped

REAL = Path(__file__).parents[3] / "shared/data/nhtsa_10146"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `crashscout` in this process; gives status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def _run(*arguments):
        monkeypatch.setattr(sys, "argv", ["crashscout", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code or 0, *capsys.readouterr())

    return _run


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "test", ev5_files())


def test_json_is_one_document_per_test_and_an_entry_per_occupant(run, folder):
    status, output, errors = run("rolc", folder, "--json")
    assert (status, errors) == (0, "")
    document = json.loads(output)
    assert document["test_number"] == "4711"
    driver, passenger = document["occupants"]
    assert set(driver) == {
        "occupant", "location", "rolc_g", "olc_g", "t1_ms", "t2_ms", "label_definition", "channels", "flags",
        "uncertainty_g", "uncertainty_components_g", "rolc_by_definition_g", "filters",
    }  # fmt: skip
    assert (driver["occupant"], passenger["occupant"]) == ("driver", "passenger")
    assert driver["label_definition"] == "rolc/1"
    assert 15 < driver["rolc_g"] < 45


def test_a_zip_gives_the_same_bytes_as_the_folder(run, folder, tmp_path):
    (tmp_path / "test.zip").write_bytes(zipped(ev5_files(), folder="v04711"))
    assert run("rolc", tmp_path / "test.zip", "--json") == run("rolc", folder, "--json", "--format", "ev5")


def test_the_table_shows_the_label_and_takes_no_markup_from_the_file(run, folder):
    status, output, _ = run("rolc", folder)
    assert status == 0
    assert "SYNTHETIC [bold] TEST" in output
    assert "driver" in output
    assert "rolc/1" in output
    assert "vehicle: 010 FLLR NA X [010]: rear floor left: the best place with a usable sensor" in output
    assert "chest of driver: 001 CHST 01 X [001]: chest: primary sensor; compared with 002" in output


def test_what_is_missing_is_said_in_both_forms(run, tmp_path):
    curves = usual_curves()
    curves[2].fields["DASTAT"] = "CF"
    broken = write_folder(tmp_path / "broken", ev5_files(curves))
    _, output, _ = run("rolc", broken, "--json")
    document = json.loads(output)
    assert document["occupants"][1]["rolc_g"] is None
    assert document["occupants"][1]["flags"] == ["no_usable_chest_sensor"]
    assert document["quarantined"] == [{"part": "003 CHST 02 X", "reason": "the channel failed (DASTAT CF)."}]
    _, output, _ = run("rolc", broken)
    assert "missing" in output
    assert "left out: 003 CHST 02 X: the channel failed (DASTAT CF)." in output


def test_errors_are_one_line_and_status_2(run, tmp_path):
    (tmp_path / "empty.EV5").touch()
    (tmp_path / "cut.EV5").write_text(specification(usual_curves())[:900])
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "v1.mme").write_text("x")
    (tmp_path / "binout0000").write_bytes(binout_file())
    (tmp_path / "run.csv").write_text("time,ax\n0,1\n")
    expected = {
        "empty.EV5": "empty.EV5 is empty",
        "cut.EV5": "cut.EV5 is truncated",
        "bad.zip": "bad.zip is not a readable zip",
        "v1.mme": "v1.mme is no ISO-MME test description",
        "binout0000": "binout0000 holds numbers without units. Name the model's system of units (units, --units)",
        "run.csv": "Give a mapping (--mapping FILE)",
        "nothing": "nothing does not exist",
    }
    for name, message in expected.items():
        status, output, errors = run("rolc", tmp_path / name)
        assert (status, output) == (2, "")
        assert errors.startswith("crashscout: ")
        assert message in errors
        assert errors.count("\n") == 1


def document_of(run, *arguments):
    status, output, errors = run("rolc", *arguments, "--json")
    assert (status, errors) == (0, "")
    return json.loads(output)


def test_units_of_a_binout(run, tmp_path):
    (tmp_path / "binout0000").write_bytes(binout_file())
    document = document_of(run, tmp_path / "binout0000", "--units", "kg-mm-ms")
    assert document["format"] == "binout"
    assert document["occupants"][0]["rolc_g"] == pytest.approx(26.17, abs=0.02)
    assert "--units" not in run("rolc", tmp_path / "binout0000", "--units", "stone")[2]


def test_the_mapping_of_a_table(run, tmp_path):
    files = csv_files()
    (tmp_path / "run.csv").write_bytes(files["run.csv"])
    (tmp_path / "columns.json").write_bytes(files["run.mapping.json"])
    document = document_of(run, tmp_path / "run.csv", "--mapping", tmp_path / "columns.json")
    assert document["occupants"][0]["rolc_g"] == pytest.approx(26.17, abs=0.02)
    (tmp_path / "columns.json").write_text("{}")
    assert (
        "/time: Field required"
        in run("rolc", tmp_path / "run.csv", "--mapping", tmp_path / "columns.json")[2]
    )


def test_channels_speed_and_definition_by_hand(run, folder):
    document = document_of(
        run, folder, "--vehicle-channel", "11", "--vehicle-channel", "10", "--chest", "driver=2",
        "--initial-speed-kmh", "60", "--definition", "rolc_3g/1",
    )  # fmt: skip
    assert [item["key"] for item in document["selection"]] == ["011", "010", "002", "003"]
    assert document["initial_speed_kmh"] == 60
    driver = document["occupants"][0]
    assert driver["label_definition"] == "rolc_3g/1"
    assert {"vehicle_chosen_by_hand", "chest_chosen_by_hand", "speed_chosen_by_hand"} <= set(driver["flags"])
    for wrong, said in (
        ("driver", "Write it as driver=013"),
        ("pilot=2", "no occupant 'pilot'"),
        ("driver=99", "'99'"),
    ):
        assert said in run("rolc", folder, "--chest", wrong)[2]
    assert "must be positive" in run("rolc", folder, "--initial-speed-kmh", "nan")[2]
    assert "Known: rolc/1, rolc_3g/1, rolc_15mm/1" in run("rolc", folder, "--definition", "rolc/0")[2]
    assert "is not a format" in run("rolc", folder, "--format", "xls")[2]


def test_the_error_is_part_of_the_tree():
    assert FileFormatError("x").status == 422


def test_as_a_process(folder):
    command = [Path(sys.executable).with_name("crashscout"), "rolc", folder, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"LANG": "C"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["occupants"]) == 2


@pytest.mark.skipif(not REAL.is_dir(), reason="NHTSA test 10146 is not beside the repository")
def test_the_real_test(run):
    _, output, _ = run("rolc", REAL, "--json")
    driver, passenger = json.loads(output)["occupants"]
    assert driver["rolc_g"] == pytest.approx(25.83, abs=0.05)
    assert (driver["t1_ms"], driver["t2_ms"]) == (pytest.approx(23.7, abs=0.1), pytest.approx(95.5, abs=0.1))
    assert passenger["rolc_g"] == pytest.approx(28.2, abs=0.05)
    assert driver["olc_g"] == pytest.approx(29.39, abs=0.05)


def test_the_current_folder_is_named_in_the_complaint(run, tmp_path, monkeypatch):
    (tmp_path / "holiday").mkdir()
    monkeypatch.chdir(tmp_path / "holiday")
    status, _, errors = run("rolc", ".")
    assert status == 2
    assert "holiday holds no crash test" in errors


def test_what_may_not_be_read_is_one_line(run, folder, monkeypatch):
    def refuse(*_arguments):  # the tests may run as root, whom no mode of a file keeps out
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    status, output, errors = run("rolc", folder)
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert "cannot be read: Permission denied. Check its permissions" in errors
