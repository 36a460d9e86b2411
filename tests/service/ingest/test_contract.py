"""What every reader must do: one suite, run for each format."""

import io
import itertools
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from service.errors import CrashscoutError, FileFormatError, InputError
from service.ingest import READERS, ChannelChoice, label_occupants, read_crash_test
from service.ingest.report import as_document
from tests.crash_files import (
    FORMATS,
    MAIN_FILE,
    MAPPING,
    OPTIONS,
    SPEED_MPS,
    MmeChannel,
    binout_file,
    csv_files,
    mme_channels,
    mme_files,
    node_speeds,
    signals_g,
    tdms_file,
)
from tests.ev5_writer import ev5_files, usual_curves, write_folder, zipped

# Keys of the driver's chest, of its redundant sensor, of both vehicle sensors and of the engine.
KEYS = {
    "ev5": ("001", "002", ("010", "011"), "012"),
    "iso_mme": ("001", "002", ("010", "011"), "012"),
    "tdms": ("001", "002", ("004", "005"), "006"),
    "binout": ("2001", "2002", ("1001", "1002"), "9001"),
    "csv": ("3", "4", ("1", "2"), "6"),
}


@pytest.fixture(params=FORMATS)
def file_format(request):
    return request.param


@pytest.fixture
def read(file_format, tmp_path):
    """Read the files of this format, or given ones, from a folder."""

    count = itertools.count()

    def _read(files=None, **options):
        folder = write_folder(
            tmp_path / f"test{next(count)}", FORMATS[file_format]() if files is None else files
        )
        return read_crash_test(folder, options=replace(OPTIONS[file_format], **options))

    return _read


def keys_of(test):
    return [item.key for item in test.selection]


def tarred(files, mode):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"v04711/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_each_format_has_a_writer_here():
    assert set(FORMATS) == set(READERS) == set(KEYS)


def test_all_formats_give_the_same_labels(read, file_format, tmp_path):
    expected = label_occupants(read_crash_test(write_folder(tmp_path / "ev5", ev5_files())))
    test = read()
    assert test.format == file_format
    assert test.initial_speed_mps == pytest.approx(SPEED_MPS, rel=1e-6)
    found = label_occupants(test)
    assert [label.role for label in found] == ["driver", "passenger"]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.rolc_g == pytest.approx(theirs.rolc_g, abs=0.02)
        assert ours.t1_ms == pytest.approx(theirs.t1_ms, abs=0.01)
        assert ours.t2_ms == pytest.approx(theirs.t2_ms, abs=0.01)
        assert ours.olc_g == pytest.approx(theirs.olc_g, abs=0.02)
        assert ours.uncertainty_g == pytest.approx(theirs.uncertainty_g, abs=0.02)
        assert ours.features["impact_speed_kmh"] == pytest.approx(SPEED_MPS * 3.6)
    assert test.quarantined == ()


def test_folder_main_file_and_every_archive_give_the_same(file_format, tmp_path):
    files = FORMATS[file_format]()
    folder = write_folder(tmp_path / "v04711", files)
    archives = {
        "flat.zip": zipped(files), "nested.zip": zipped(files, folder="v04711"), "a.tar": tarred(files, "w"),
        "a.tar.gz": tarred(files, "w:gz"), "a.tar.bz2": tarred(files, "w:bz2"), "a.txz": tarred(files, "w:xz"),
    }  # fmt: skip
    for name, content in archives.items():
        (tmp_path / name).write_bytes(content)
    expected = [
        label.rolc_g for label in label_occupants(read_crash_test(folder, options=OPTIONS[file_format]))
    ]
    for path in (folder / MAIN_FILE[file_format], *(tmp_path / name for name in archives)):
        labels = label_occupants(read_crash_test(path, options=OPTIONS[file_format]))
        assert [label.rolc_g for label in labels] == expected, path.name


def test_the_same_file_gives_the_same_bytes(file_format, tmp_path):
    folder = write_folder(tmp_path / "test", FORMATS[file_format]())
    tests = [read_crash_test(folder, options=OPTIONS[file_format]) for _ in range(2)]
    documents = [json.dumps(as_document(test, label_occupants(test))) for test in tests]
    assert documents[0] == documents[1]


def test_the_selection_is_explained(read, file_format):
    test = read()
    chest, redundant, vehicle, _ = KEYS[file_format]
    assert keys_of(test)[:3] == [*vehicle, chest]
    reasons = {item.key: item.reason for item in test.selection}
    assert (
        reasons[vehicle[0]] == "rear floor left: the best place with a usable sensor (mean of left and right)"
    )
    assert reasons[chest] == f"chest: primary sensor; compared with {redundant}"
    assert len(test.occupants[0].chest_redundant) == 1


def test_channels_are_chosen_by_hand(read, file_format):
    _, redundant, _, engine = KEYS[file_format]
    test = read(channels=ChannelChoice((engine,), {"driver": redundant}))
    assert keys_of(test)[:2] == [engine, redundant]
    assert "vehicle_chosen_by_hand" in test.flags
    assert "chest_chosen_by_hand" in test.occupants[0].flags
    assert {item.reason for item in test.selection[:2]} == {"chosen by hand"}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (ChannelChoice(("777",)), "There is no x accelerometer '777' in this file. There are: "),
        (ChannelChoice(chest={"driver": "777"}), "There is no x accelerometer '777'"),
        (ChannelChoice(chest={"pilot": "1"}), "There is no occupant 'pilot'. There are: driver, passenger"),
    ],
)
def test_a_choice_that_is_not_there(read, choice, message):
    with pytest.raises(InputError, match=message):
        read(channels=choice)


def test_the_speed_by_hand(read):
    test = read(initial_speed_mps=10.0)
    assert test.initial_speed_mps == 10.0
    assert "speed_chosen_by_hand" in test.flags
    with pytest.raises(FileFormatError, match=r"is 180 km/h, which no crash test has"):
        read(initial_speed_mps=50.0)


def spoilt(file_format, change):
    """The usual files with `change` applied to the values in g of the driver's primary chest."""
    values = change(signals_g()[1].copy())
    if file_format == "ev5":
        curves = usual_curves()
        curves[0].values = values
        return ev5_files(curves)
    if file_format == "iso_mme":
        channels = mme_channels()
        unknown = {"First global maximum value": None, "First global minimum value": None}
        channels[0] = replace(channels[0], values=values * 9.80665, header=unknown)
        return mme_files(channels)
    if file_format == "tdms":
        return {"v04711.tdms": tdms_file(signals=signals_g() | {1: values})}
    if file_format == "binout":
        nodes = node_speeds()
        speed = nodes[2001][1] + np.cumsum(values - signals_g()[1])[200:] * 9.80665e-4
        return {"binout0000": binout_file(nodes | {2001: ("DRIVER CHEST", speed)})}
    return csv_files(signals=signals_g() | {1: values})


def with_nan(values):
    values[500] = np.nan
    return values


def with_spike(values):
    values[500] += 900.0
    return values


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_nan, "not finite"),
        (with_spike, "neighbours"),
        (lambda values: values * 0.0, "varies by less than 1 g"),
        (lambda values: values * 1e3, "which no sensor there measures"),
    ],
)
def test_a_bad_chest_is_quarantined_and_the_redundant_one_taken(read, file_format, change, reason):
    if file_format == "binout" and change is with_spike:
        return  # a step of a speed, as contacts make in a simulation: no bit error
    test = read(spoilt(file_format, change))
    assert test.occupants[0].chest is not None
    assert test.occupants[0].flags == ("chest_redundant_sensor",)
    assert keys_of(test)[2] == KEYS[file_format][1]
    (left_out,) = test.quarantined
    assert reason in left_out.reason
    assert "chest_redundant_sensor" in label_occupants(test)[0].flags


def test_a_redundant_sensor_that_disagrees_is_flagged(read, file_format):
    label = label_occupants(read(spoilt(file_format, lambda values: values * 1.1)))[0]
    assert "sensor_disagreement" in label.flags
    assert label.uncertainty_components_g["redundant_sensors"] > 0.5


def test_inverted_signals_are_turned_and_flagged(read, file_format):
    label = label_occupants(read(spoilt(file_format, np.negative)))[0]
    if file_format != "binout":  # a speed has no wrong sign while it falls from the impact speed
        assert "polarity_inverted_chest" in label.flags
        assert label.rolc_g == pytest.approx(26.17, abs=0.02)


@pytest.mark.parametrize(
    "content", [b"", b"\x00", bytes(range(256)) * 40, b"hello\n", b"PK\x03\x04", b"\x1f\x8b\x08"]
)
def test_what_is_no_such_file_is_one_clear_line(file_format, tmp_path, content):
    path = tmp_path / MAIN_FILE[file_format]
    path.write_bytes(content)
    for chosen in ("auto", file_format):
        with pytest.raises(CrashscoutError) as raised:
            read_crash_test(path, file_format=chosen, options=OPTIONS[file_format])
        assert path.name in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_missing_path(file_format, tmp_path):
    with pytest.raises(FileFormatError, match="does not exist"):
        read_crash_test(tmp_path / MAIN_FILE[file_format], file_format=file_format)


def test_every_cut_is_noticed_or_harmless(file_format, tmp_path):
    files = FORMATS[file_format]()
    name, content = MAIN_FILE[file_format], files[MAIN_FILE[file_format]]
    expected = {o.role: o.rolc_g for o in label_occupants(read_from(tmp_path, files, file_format))}
    refused = 0
    for end in np.random.default_rng(0).integers(0, len(content) - 1, size=40):
        try:
            labels = label_occupants(read_from(tmp_path, files | {name: content[:end]}, file_format))
        except CrashscoutError:
            refused += 1
            continue
        for label in labels:
            known = label.rolc_g is None or label.rolc_g == pytest.approx(expected[label.role], abs=0.02)
            assert known or label.flags
    assert refused


def read_from(tmp_path, files, file_format):
    return read_crash_test(write_folder(tmp_path / "cut", files), options=OPTIONS[file_format])


@pytest.mark.parametrize("other", FORMATS)
def test_files_of_another_format_are_refused(file_format, other, tmp_path):
    if other == file_format:
        return
    folder = write_folder(tmp_path / "test", FORMATS[other]())
    with pytest.raises(CrashscoutError) as raised:
        read_crash_test(folder, file_format=file_format, options=OPTIONS[file_format])
    assert "\n" not in str(raised.value)


def test_a_wrong_extension_is_seen_by_the_content_or_said(file_format, tmp_path):
    path = tmp_path / "upload.bin"
    path.write_bytes(FORMATS[file_format]()[MAIN_FILE[file_format]])
    if file_format in {"tdms", "binout"}:
        assert read_crash_test(path, options=OPTIONS[file_format]).format == file_format
    else:
        with pytest.raises(CrashscoutError, match=r"upload\.bin"):
            read_crash_test(path, options=OPTIONS[file_format])


def test_a_copy_in_a_subfolder_does_not_count(file_format, tmp_path):
    files = FORMATS[file_format]()
    if file_format == "binout":
        return  # the files of a parallel run may lie anywhere: several folders are refused, see test_binout
    folder = write_folder(
        tmp_path / "test", files | {f"old/{name}": content for name, content in files.items()}
    )
    assert read_crash_test(folder, options=OPTIONS[file_format]).format == file_format


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_in_any_encoding(encoding, tmp_path):
    """Of the text formats; EV5 is ASCII by its definition and read as UTF-8 or Latin-1."""
    channels = [replace(channel, name=f"{channel.name} 30°") for channel in mme_channels()]
    for name, files in {"iso_mme": mme_files(channels), "csv": csv_files()}.items():
        recoded = {
            file: content if file.endswith("json") else content.decode().encode(encoding)
            for file, content in files.items()
        }
        test = read_crash_test(write_folder(tmp_path / name / encoding, recoded))
        assert label_occupants(test)[0].rolc_g == pytest.approx(26.17, abs=0.02)
        if name == "iso_mme":
            assert test.vehicle[0].name == "010 LEFT REAR CROSSMEMBER X 30°"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_end(ending, tmp_path):
    for name in ("ev5", "iso_mme", "csv"):
        files = {
            file: content.decode().replace("\r\n", "\n").replace("\n", ending).encode()
            for file, content in FORMATS[name]().items()
        }
        test = read_crash_test(write_folder(tmp_path / name / repr(ending).strip("'\\"), files))
        assert label_occupants(test)[0].rolc_g == pytest.approx(26.17, abs=0.02)


def test_channels_that_no_label_needs_stay_closed(file_format, tmp_path):
    """What is not needed may be broken."""
    files = FORMATS[file_format]()
    if file_format == "ev5":
        files["v04711.012"] = b"garbage"
    elif file_format == "iso_mme":
        files["Channel/v04711.012"] = b"garbage"
    elif file_format == "csv":
        files["run.csv"] = (
            files["run.csv"].replace(b",-0.000000\n", b",garbage\n").replace(b",0.000000\n", b",garbage\n")
        )
        assert b"garbage" in files["run.csv"]
    elif file_format == "tdms":
        files["v04711.tdms"] = tdms_file(signals=signals_g() | {12: np.full(2201, np.nan)})
    else:
        nodes = node_speeds()
        files["binout0000"] = binout_file(nodes | {9001: ("ENGINE TOP", nodes[9001][1] * np.nan)})
    test = read_crash_test(write_folder(tmp_path / "test", files), options=OPTIONS[file_format])
    assert test.quarantined == ()
    assert len(label_occupants(test)) == 2


def test_the_writers_make_what_they_say():
    assert MmeChannel(1, "11CHST0000H3ACXP", "X", np.zeros(3)).content().count(b"0.000000") >= 3
    assert MAPPING["time"]["unit"] == "ms"
