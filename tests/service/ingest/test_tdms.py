import subprocess
import sys

import pytest

from service.errors import FileFormatError
from service.ingest import label_occupants, read_crash_test
from tests.crash_files import SPEED_MPS, signals_g, tdms_file


@pytest.fixture
def read(tmp_path):
    def _read(changes=None, **parts):
        path = tmp_path / "v04711.tdms"
        path.write_bytes(tdms_file(changes, **parts))
        return read_crash_test(path)

    return _read


def reasons(test):
    return {item.part: item.reason for item in test.quarantined}


def test_a_whole_test(read):
    test = read()
    assert (test.test_number, test.title, test.impact_angle_deg) == ("4711", "SYNTHETIC", 0.0)
    assert test.flags == ("driver_position_assumed", "speed_not_from_sensor")
    assert [item.channel for item in test.selection] == [
        "004 LEFT REAR CROSSMEMBER X", "005 RIGHT REAR CROSSMEMBER X", "001 DRIVER CHEST X", "003 PASSENGER CHEST X",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"unit_string": None}, "The unit of acceleration is missing"),
        ({"unit_string": "N"}, "'N' is not a known unit of acceleration"),
        ({"wf_increment": None}, "wf_increment is missing or not a number"),
        ({"wf_increment": 0.0}, "sampling interval 0.0 s"),
        ({"wf_increment": float("nan")}, "wf_increment is missing or not a number"),
        ({"wf_start_offset": 0.5}, "starts 500 ms after the first contact"),
        ({"Inst_DaStat": "CF"}, "the channel failed (DASTAT CF)"),
        ({"Inst_DaStat": "??"}, "its data status is not known"),
    ],
)
def test_a_bad_channel_is_quarantined(read, properties, reason):
    test = read({1: properties})
    assert reason in reasons(test)["001 DRIVER CHEST X"]
    assert test.occupants[0].flags == ("chest_redundant_sensor",)


def test_names_of_properties_are_compared_without_case(read):
    changes = {number: {"wf_increment": None, "WF_Increment": 1e-4} for number in signals_g()}
    assert len(read(changes).vehicle) == 2


def test_the_speed_of_the_sensor_then_the_car_then_a_fixed_barrier(read):
    assert read({10: {"Inst_IniVel": "36"}}).initial_speed_mps == pytest.approx(10.0)
    closing = {"Veh_VehSpd": None, "Test_ClsSpd": 54.0}
    assert read(root={**closing, "Test_TstCfn": "VTB"}).initial_speed_mps == pytest.approx(15.0)
    with pytest.raises(FileFormatError, match="No impact speed"):
        read(root=closing)


def test_a_shifted_channel_is_flagged(read):
    label = label_occupants(read({3: {"wf_start_offset": -0.018}}))[1]
    assert "chest_on_other_grid" in label.flags


def test_nhtsas_place_goes_before_the_code(read):
    test = read({10: {"Inst_SenAtt": "DSLR"}, 11: {"Inst_SenAtt": "DSRR"}})
    assert test.selection[0].reason.startswith("rear sill left")
    assert test.initial_speed_mps == pytest.approx(SPEED_MPS)


def test_a_cut_file_is_truncated(tmp_path):
    content = tdms_file()
    for end in (len(content) - 1, len(content) // 2, 200, 30):
        (tmp_path / "a.tdms").write_bytes(content[:end])
        with pytest.raises(FileFormatError, match=r"a\.tdms is (truncated|damaged)"):
            read_crash_test(tmp_path / "a.tdms")


def test_without_the_package_it_says_how_to_install_it(tmp_path):
    """And nothing else of the service needs it."""
    (tmp_path / "a.tdms").write_bytes(tdms_file())
    program = (
        "import sys; sys.modules['nptdms'] = None\n"
        "from service.cli import main\n"
        f"sys.argv = ['crashscout', 'rolc', {str(tmp_path / 'a.tdms')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "crashscout: a.tdms: reading TDMS needs npTDMS. Install it: pip install 'crashscout[tdms]'.\n"
    )


def test_importing_the_readers_does_not_import_it():
    program = "import service.ingest, sys; print('nptdms' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
