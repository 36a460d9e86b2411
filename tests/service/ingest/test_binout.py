import struct
from pathlib import Path

import numpy as np
import pytest

from service.errors import FileFormatError, InputError
from service.ingest import ChannelChoice, ReadOptions, label_occupants, read_crash_test
from service.ingest.lsda import array, is_lsda, records
from tests.crash_files import SPEED_MPS, LsdaWriter, binout_file, node_speeds, signals_g, times
from tests.ev5_writer import write_folder

DEMO = Path(__file__).parents[4] / "shared/data/binout_demo"
ROLC_G = 26.170038


@pytest.fixture
def read(tmp_path):
    def _read(content, units="kg-mm-ms", **options):
        files = content if isinstance(content, dict) else {"binout0000": content}
        return read_crash_test(
            write_folder(tmp_path / "run", files), options=ReadOptions(units=units, **options)
        )

    return _read


def scaled(factor):
    return {node: (legend, values * factor) for node, (legend, values) in node_speeds().items()}


def test_units_are_asked_for(tmp_path):
    folder = write_folder(tmp_path, {"binout0000": binout_file()})
    with pytest.raises(InputError, match=r"numbers without units.*--units\): kg-mm-ms, g-mm-ms, t-mm-s"):
        read_crash_test(folder)
    with pytest.raises(InputError, match=r"'lbs' is not a system of units\. Known: kg-mm-ms"):
        ReadOptions(units="lbs")


@pytest.mark.parametrize(
    ("units", "speed", "seconds"),
    [("kg-mm-ms", 1.0, 0.1), ("t-mm-s", 1e3, 1e-4), ("kg-mm-s", 1e3, 1e-4), ("kg-m-s", 1.0, 1e-4)],
)
def test_every_system_of_units_gives_the_same(read, units, speed, seconds):
    test = read(binout_file(scaled(speed), time_step=seconds), units)
    assert test.initial_speed_mps == pytest.approx(SPEED_MPS, rel=1e-6)
    assert label_occupants(test)[0].rolc_g == pytest.approx(ROLC_G, abs=0.01)
    assert test.vehicle[0].status == "simulated"


def test_the_wrong_system_of_units_gives_no_label(read):
    """Times in ms taken for s are far too slow for any filter."""
    with pytest.raises(FileFormatError, match=r"needs more than|needs 1800 Hz"):
        read(binout_file(), "kg-m-s")


def test_a_model_that_drives_backwards_gives_the_same(read):
    test = read(binout_file(scaled(-1.0)))
    label = label_occupants(test)[0]
    assert label.rolc_g == pytest.approx(ROLC_G, abs=0.01)
    assert "polarity_inverted_chest" in label.flags


def test_accelerations_serve_where_no_speed_is_written(read):
    nodes = {10: "REAR FLOOR LEFT", 11: "REAR FLOOR RIGHT", 1: "DRIVER CHEST"}
    values = {n: (legend, signals_g()[n][times() > -5e-5] * 9.80665e-3) for n, legend in nodes.items()}
    content = binout_file(values, variable="x_acceleration")
    with pytest.raises(FileFormatError, match="No impact speed"):
        read(content)
    test = read(content, initial_speed_mps=SPEED_MPS)
    assert label_occupants(test)[0].rolc_g == pytest.approx(ROLC_G, abs=0.02)


def test_nodes_without_a_legend_are_chosen_by_id(read):
    nodes = {node: ("", values) for node, (_, values) in node_speeds().items()}
    with pytest.raises(FileFormatError, match=r"x accelerometers here: 1001 \(nodout 1001\), 1002"):
        read(binout_file(nodes))
    choice = ChannelChoice(("1001", "1002"), {"driver": "2001"})
    label = label_occupants(read(binout_file(nodes), channels=choice))[0]
    assert (label.role, label.rolc_g) == ("driver", pytest.approx(ROLC_G, abs=0.01))


def test_continuations_are_read_together(read, tmp_path):
    whole = node_speeds()
    rows = len(whole[1001][1])
    first = {node: (legend, values[:900]) for node, (legend, values) in whole.items()}
    rest = LsdaWriter()
    for state in range(900, rows):
        rest.folder(f"/nodout/d{state + 1:06d}")
        rest.array("time", np.array([state * 0.1]))
        rest.array("x_velocity", np.array([values[state] for _, values in whole.values()], dtype="f4"))
    files = {"binout0000": binout_file(first), "binout0000%001": bytes(rest.content)}
    expected = label_occupants(read(files))[0].rolc_g
    assert expected == pytest.approx(ROLC_G, abs=0.01)
    main = read_crash_test(tmp_path / "run/binout0000", options=ReadOptions(units="kg-mm-ms"))
    assert label_occupants(main)[0].rolc_g == expected


def test_runs_in_several_folders_are_refused(read):
    with pytest.raises(FileFormatError, match=r"the binout files of one run; found in: a, b"):
        read({"a/binout0000": binout_file(), "b/binout0000": binout_file()})


def test_states_that_do_not_fit_cost_the_channels(read):
    writer = LsdaWriter()
    writer.content = bytearray(binout_file())
    writer.folder("/nodout/d009999")
    writer.array("time", np.array([200.1]))
    with pytest.raises(FileFormatError, match="x_velocity in 2001 of 2002 states"):
        read(bytes(writer.content))
    writer.array("x_velocity", np.zeros(4, dtype="f4"))
    with pytest.raises(FileFormatError, match="4 values of x_velocity in state 2002, but 6 ids"):
        read(bytes(writer.content))


def test_a_file_without_motion(read):
    writer = LsdaWriter()
    writer.folder("/matsum/d000001")
    writer.array("time", np.zeros(1))
    with pytest.raises(FileFormatError, match=r"holds no nodout or rbdout states\. Ask for"):
        read(bytes(writer.content))


def test_rigid_bodies(read):
    content = binout_file(variable="global_vx").replace(b"nodout", b"rbdout")
    assert label_occupants(read(content))[0].rolc_g == pytest.approx(ROLC_G, abs=0.01)


def test_a_cut_within_a_record_is_named(read):
    content = binout_file()
    for end in (9, 40, len(content) // 2, len(content) - 1):
        with pytest.raises(FileFormatError, match=r"binout0000 is truncated or damaged at byte \d+"):
            read(content[:end])


def test_a_run_that_was_stopped_early_has_no_label(read):
    """A file that ends on the border of a state, before the chest has the car's speed."""
    stopped = {node: (legend, values[:700]) for node, (legend, values) in node_speeds().items()}
    labels = label_occupants(read(binout_file(stopped)))
    assert [label.rolc_g for label in labels] == [None, None]
    assert all("t2_not_reached" in label.flags for label in labels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order):
    content = bytes([8, 8, 8, 1, 1, int(order == "<"), 0, 0])
    floats, whole = np.array([1.5, 2.5], f"{order}f8").tobytes(), np.array([7], f"{order}i4").tobytes()
    bodies = ((2, b"/a/b"), (3, b"\x0a\x01x" + floats), (2, b"../c"), (3, b"\x03\x01y" + whole))
    for command, body in bodies:
        content += struct.pack(f"{order}QB", 9 + len(body), command) + body
    found = {
        (record.folder, record.name): array(content, record).tolist() for record in records(content, "f")
    }
    assert found == {("/a/b", "x"): [1.5, 2.5], ("/a/c", "y"): [7]}


def test_what_is_no_lsda():
    assert is_lsda(bytes([8, 8, 8, 1, 1, 1, 0, 0]))
    for head in (
        b"",
        b"PK\x03\x04aaaa",
        b"TDSmaaaa",
        bytes(8),
        bytes([8, 8, 8, 1, 1, 2, 0, 0]),
        b"hello, world",
    ):
        assert not is_lsda(head)


@pytest.mark.skipif(not DEMO.is_file(), reason="binout_demo is not beside the repository (../shared/data)")
def test_a_file_that_lasso_python_wrote():
    content = DEMO.read_bytes()
    found = {(record.folder, record.name): array(content, record) for record in records(content, "demo")}
    assert found["/nodout/metadata", "ids"].tolist() == [1001, 2001]
    assert [found[f"/nodout/d{state:06d}", "x_acceleration"][1] for state in range(1, 6)] == [
        0,
        -2,
        -4,
        -6,
        -8,
    ]
    with pytest.raises(FileFormatError, match=r"1001 B-PILLAR LE.*5 samples; a CFC filter needs more"):
        read_crash_test(DEMO, options=ReadOptions(units="kg-m-s", initial_speed_mps=15.0))
