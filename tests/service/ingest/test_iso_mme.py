import itertools

import numpy as np
import pytest

from service.errors import FileFormatError, InputError
from service.ingest import ReadOptions, label_occupants, read_crash_test
from service.ingest.iso_codes import is_redundant, place_of, role_of
from service.ingest.iso_mme_files import parse_code, parse_header, parse_index, parse_samples
from tests.crash_files import SPEED_MPS, MmeChannel, mme_channels, mme_files, signals_g
from tests.ev5_writer import write_folder

ROLC_G = 26.170038


@pytest.fixture
def read(tmp_path):
    count = itertools.count()

    def _read(files, **options):
        folder = write_folder(tmp_path / f"test{next(count)}", files)
        return read_crash_test(folder, options=ReadOptions(**options))

    return _read


def changed(number, **header):
    """The usual test with other header lines in one channel file; None removes a line."""
    channels = mme_channels()
    for channel in channels:
        if channel.number == number:
            channel.header = {name.replace("_", " ").capitalize(): value for name, value in header.items()}
    return mme_files(channels)


def reasons(test):
    return {item.part: item.reason for item in test.quarantined}


def test_a_whole_test(read):
    test = read(mme_files())
    assert (test.test_number, test.format, test.title) == ("4711", "iso_mme", "SYNTHETIC [bold] TEST")
    assert test.platform == "2018 SOME CAR"
    assert test.impact_angle_deg == 0.0
    assert test.features == {"impact_speed_kmh": pytest.approx(SPEED_MPS * 3.6), "test_mass_kg": 1700.0}
    assert [seat.features["dummy_size"] for seat in test.occupants] == ["50", "05"]
    chest = test.occupants[0].chest
    assert (chest.unit, chest.start_s, chest.sample_interval_s) == ("m/s2", -0.02, 1e-4)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"number_of_samples": "475"}, "it has 2201 samples, its header says 475"),
        ({"number_of_samples": "2e3"}, "'2e3' is not a whole number"),
        ({"number_of_samples": None}, "'number of samples' is missing"),
        ({"sampling_interval": "0"}, "sampling interval is 0 s; it must be positive"),
        ({"sampling_interval": "-0.0001"}, "must be positive"),
        ({"sampling_interval": "0,0001"}, "'0,0001' is not a number (a decimal comma?)"),
        ({"sampling_interval": None}, "'sampling interval' is missing"),
        ({"sampling_interval": "NOVALUE"}, "'sampling interval' is missing"),
        ({"sampling_interval": "0.0002"}, "its sampling interval or start is wrong"),
        ({"time_of_first_sample": "-0.01"}, "its sampling interval or start is wrong"),
        ({"unit": "foo"}, "'foo' is not a known unit of acceleration"),
        ({"unit": None}, "'unit' is missing"),
        ({"data_status": "failed"}, "its data status is 'failed'"),
        ({"reference_channel": "explicit"}, "its times are in another channel"),
        ({"channel_code": "13CHST0000H3ACXP"}, "the index says position 1, the file itself 3"),
        ({"channel_code": "11CHST"}, "'11CHST' is not a channel code"),
        ({"first_global_minimum_value": "-1234"}, "its header says -1234: other data or unit"),
    ],
)
def test_a_header_that_contradicts_costs_the_channel(read, header, reason):
    test = read(changed(1, **header))
    assert reason in reasons(test)["001 DRIVER CHEST X"]
    assert test.occupants[0].chest.name == "002 DRIVER CHEST XR"
    assert label_occupants(test)[0].rolc_g == pytest.approx(ROLC_G, abs=0.1)


def spoilt(change):
    files = mme_files()
    files["Channel/v04711.001"] = change(files["Channel/v04711.001"])
    return files


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[: len(content) // 2], "it is truncated or mixed up"),
        (lambda content: content.replace(b"\r\n0.000000", b"\r\nNOVALUE", 3), "3 samples are NOVALUE, the first"),
        (lambda content: content.replace(b".", b","), "decimal comma?"),
        (lambda content: content.replace(b"\n0.000000", b"\n-0,5", 1), "'-0,5', is not a number (a decimal comma?)"),
        (lambda content: content.replace(b"\r\n0.000000", b"\r\n1 2", 1), "'1 2', is not a number"),
        (lambda content: content.replace(b"\r\n0.000000", b"\r\n1e999", 1), "'1e999', is not finite"),
        (lambda content: content[: content.index(b"\r\n0.0")], "a header and no data"),
        (lambda content: b"", "'unit' is missing"),
        (lambda content: bytes(range(256)) * 9, "it is binary data and no text"),
        (lambda content: b"Unit :g\r\n" + content, "'unit' is given twice with different values"),
    ],
)  # fmt: skip
def test_a_bad_channel_file_costs_the_channel(read, change, reason):
    test = read(spoilt(change))
    assert reason in reasons(test)["001 DRIVER CHEST X"]
    assert test.occupants[0].chest.name == "002 DRIVER CHEST XR"


def test_without_extremes_nothing_is_compared(read):
    none = {f"{a}_{b}_value": "NOVALUE" for a in ("first_global", "time_of") for b in ("maximum", "minimum")}
    assert reasons(read(changed(1, **none))) == {}


def test_without_an_index_the_headers_are_read(read):
    files = mme_files()
    del files["Channel/v04711.chn"]
    test = read(files)
    assert test.flags == ("index_missing",)
    assert label_occupants(test)[0].rolc_g == pytest.approx(ROLC_G, abs=1e-4)
    assert test.occupants[0].chest.name == "001 DRIVER CHEST X"


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02" * 99, b"nothing: here\n"])
def test_an_unreadable_index_is_said(read, content):
    test = read(mme_files() | {"Channel/v04711.chn": content})
    assert test.flags == ("index_unreadable",)
    assert len(label_occupants(test)) == 2


def test_missing_files_are_named_when_they_are_needed(read):
    files = mme_files()
    for number in ("001", "012"):
        del files[f"Channel/v04711.{number}"]
    test = read(files)
    assert reasons(test) == {"001 DRIVER CHEST X": "its file is missing."}


def test_files_beside_the_description_instead_of_below(read):
    files = {name.replace("Channel/", ""): content for name, content in mme_files().items()}
    assert len(read(files).vehicle) == 2


def test_upper_case_extensions(read):
    files = {
        name.replace(".mme", ".MME").replace(".chn", ".CHN"): content for name, content in mme_files().items()
    }
    assert read(files).flags == ()


def test_codes_that_occur_twice_are_two_channels(read):
    """As in NHTSA test 11391: primary and redundant sensor under one code; the first is the primary."""
    channels = mme_channels()
    channels[1].name = "DRIVER CHEST X"
    channels.append(MmeChannel(20, "10FORALERE00ACXP", "LEFT REAR X", signals_g()[10] * 9.80665))
    test = read(mme_files(channels))
    assert [item.key for item in test.selection] == ["010", "011", "001", "003"]
    assert len(test.occupants[0].chest_redundant) == len(test.vehicle_redundant) == 1


def test_the_wheel_on_the_right(read):
    test = read(mme_files(header={"Driver position object 1": "3"}))
    assert [(o.role, o.location) for o in test.occupants] == [("driver", "3"), ("passenger", "1")]
    assert read(mme_files(header={"Driver position object 1": None})).flags == ("driver_position_assumed",)


@pytest.mark.parametrize("speed", [None, "NOVALUE", "fast", "13,92"])
def test_without_a_speed_it_must_be_said(read, speed):
    files = mme_files(header={"Velocity test object 1": speed})
    with pytest.raises(
        FileFormatError, match=r"No impact speed is given in v04711\.mme.*--initial-speed-kmh"
    ):
        read(files)
    assert read(files, initial_speed_mps=14.0).initial_speed_mps == 14.0


def test_a_speed_in_km_h_without_its_unit_is_refused(read):
    with pytest.raises(FileFormatError, match=r"is 202\.7 km/h, which no crash test has"):
        read(mme_files(header={"Velocity test object 1": "56.3"}))


@pytest.mark.parametrize(("side", "labelled"), [("FR", True), ("LE", False), ("RE", False), (None, True)])
def test_only_frontal_impacts_are_labelled(read, side, labelled):
    labels = label_occupants(read(mme_files(header={"Impact side test object 1": side})))
    assert (labels[0].rolc_g is not None) == labelled
    assert labelled or "not_frontal" in labels[0].flags


def test_a_mass_of_no_vehicle(read):
    test = read(mme_files(header={"Mass test object 1": "1.7"}))
    assert test.features["test_mass_kg"] is None
    assert reasons(test) == {"mass test object 1": "1.7 kg is the mass of no vehicle"}
    assert read(mme_files(header={"Mass test object 1": "1.7 t"})).features["test_mass_kg"] == 1700.0


def test_chests_of_another_car_are_named_as_left_out(read):
    channels = [
        *mme_channels(),
        MmeChannel(30, "21CHST0000H3ACXP", "BULLET DRIVER", signals_g()[1] * 9.80665),
    ]
    test = read(mme_files(channels))
    assert reasons(test) == {"030 BULLET DRIVER": "sits in test object 2; one car is read"}
    assert test.fixed_obstacle is False


def test_a_thor_is_read_at_the_upper_spine(read):
    channels = mme_channels()
    channels[0].code, channels[1].code = "11THSP0000THACXP", "11HEAD0000THACXP"
    test = read(mme_files(channels))
    assert test.occupants[0].features["dummy_type"] == "TH"
    assert test.selection[2].reason == "upper spine: primary sensor"


@pytest.mark.parametrize(
    ("letter", "flags"), [("D", "prefiltered_chest"), ("C", None), ("A", None), ("0", None)]
)
def test_the_filter_class_of_the_code(read, letter, flags):
    channels = mme_channels()
    for channel in channels:
        channel.code = channel.code[:-1] + letter
    label = label_occupants(read(mme_files(channels)))[0]
    assert (flags in label.flags) == bool(flags)
    assert label.rolc_g == pytest.approx(ROLC_G, abs=0.3)
    assert label.olc_g == pytest.approx(31.98, abs=0.2)


@pytest.mark.parametrize("letter", ["L", "S", "V", "X"])
def test_other_filters_cost_the_channel(read, letter):
    channels = mme_channels()
    channels[0].code = channels[0].code[:-1] + letter
    assert f"filter class {letter}" in reasons(read(mme_files(channels)))["001 DRIVER CHEST X"]


def test_nothing_to_label(read):
    with pytest.raises(FileFormatError, match="has no x accelerometer of a chest"):
        read(mme_files(mme_channels()[3:]))
    with pytest.raises(FileFormatError, match="No usable x accelerometer of the occupant compartment"):
        read(mme_files(mme_channels()[:3]))
    with pytest.raises(FileFormatError, match=r"one \.mme file; found: v04711\.mme, v2\.mme"):
        read(mme_files() | {"v2.mme": b"Title :x"})


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("10FORALERE00ACXP", "rear_floor_left"), ("10FORARIRERDAC1P", "rear_floor_right"),
        ("10DOORLERE00ACXP", "rear_sill_left"),
        ("10SEATRIRE00ACXP", "seat_right"), ("10VEHCCG0000ACXP", "vehicle_cg"), ("14BPIL000000ACXA", "b_pillar_left"),
        ("16BPILLO0000ACXA", ""), ("10BPILRI0000ACXA", "b_pillar_right"), ("11CHST0003H3ACXP", "chest"),
        ("13THSP0100THACXC", "upper_spine"), ("10CHST000000ACXP", ""),
        ("10ENGN000000ACXP", ""), ("10FORALEFR00ACXP", ""),
    ],
)  # fmt: skip
def test_places_of_codes(code, place):
    assert place_of(parse_code(code)) == place


def test_codes_names_and_seats():
    assert parse_code(" 11chst0000h3acx ").filter_class == "?"
    for bad in ("", "11CHST0000H3ACX!", "11CHST", "11CHST0000H3ACXPP", "１１CHST0000H3ACXP"):
        with pytest.raises(FileFormatError, match="not a channel code"):
            parse_code(bad)
    assert is_redundant(parse_code("10FORALERERDAC1P"), "X")
    assert is_redundant(parse_code("11CHST0000H3ACXP"), "DRIVER CHEST XR")
    assert not is_redundant(parse_code("11CHST0000H3ACXP"), "DRIVER CHEST X")
    assert [role_of(position, "1") for position in "1346"] == [
        "driver",
        "passenger",
        "left_rear",
        "right_rear",
    ]
    assert role_of("1", "3") == "passenger"


def test_header_lines():
    header, rest = parse_header("Laboratory  name   :A: B\n\nUNIT:g\nComments :\n1.0\nUnit :m\n")
    assert header.get("laboratory name") == "A: B"
    assert header.get("comments") is None
    assert rest == ["1.0", "Unit :m"]
    assert parse_index("Number of channels :2\nName of channel 001 : X / Y\nName of channel 12 :Z\n") == {
        1: "X / Y",
        12: "Z",
    }


def test_samples():
    assert parse_samples(["1.5", " -2e1 ", ""]) == pytest.approx(np.array([1.5, -20.0]))
    with pytest.raises(InputError, match="1e300', is beyond 1e"):
        parse_samples(["1.0", "1e300"])
