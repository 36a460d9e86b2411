import numpy as np
import pytest

from service.errors import CrashscoutError, FileFormatError
from service.ingest import label_occupants, read_crash_test
from service.ingest.ev5_curves import parse_curve
from service.ingest.ev5_records import RECORD_FIELDS
from tests.ev5_writer import (
    DRIVER,
    PASSENGER,
    SPEED_KMH,
    Curve,
    ev5_files,
    specification,
    usual_curves,
    write_folder,
    zipped,
)


@pytest.fixture
def read(tmp_path):
    """Read a test that is made of the usual curves with some changes."""

    def _read(curves=None, **changes):
        return read_crash_test(write_folder(tmp_path / "test", ev5_files(curves, **changes)))

    return _read


def changed(number, **fields):
    """The usual curves with other fields in the record of one."""
    curves = usual_curves()
    next(curve for curve in curves if curve.number == number).fields |= fields
    return curves


def reasons(test):
    return {item.part: item.reason for item in test.quarantined}


def test_the_number_of_fields_of_the_official_guide():
    counts = {name: len(fields) for name, fields in RECORD_FIELDS.items()}
    assert counts == {
        "TEST": 20, "VEHICLE": 81, "BARRIER": 5, "OCCUPANT": 44, "RESTRAINT": 7, "INSTRUMENTATION": 20,
    }  # fmt: skip


def test_a_whole_test(read):
    test = read()
    assert (test.test_number, test.format, test.platform) == ("4711", "ev5", "16-03")
    assert test.initial_speed_mps == pytest.approx(SPEED_KMH / 3.6)
    assert [sensor.name for sensor in test.vehicle] == ["010 FLLR NA X", "011 FLRR NA X"]
    assert [(o.role, o.chest.name) for o in test.occupants] == [
        ("driver", "001 CHST 01 X"),
        ("passenger", "003 CHST 02 X"),
    ]
    chest = test.occupants[0].chest
    assert (chest.unit, chest.status, chest.filter_class) == ("g", "as_measured", None)
    assert chest.start_s == pytest.approx(-0.020)
    assert chest.sample_rate_hz == pytest.approx(10_000)
    assert chest.values == pytest.approx(usual_curves()[0].values, abs=1e-6)
    assert (test.quarantined, test.flags) == ((), ())


def test_folder_file_zip_and_zip_with_a_folder_give_the_same(tmp_path):
    files = ev5_files()
    folder = write_folder(tmp_path / "test", files)
    flat, nested = tmp_path / "flat.zip", tmp_path / "nested.zip"
    flat.write_bytes(zipped(files))
    nested.write_bytes(zipped(files, folder="v04711"))
    expected = read_crash_test(folder).occupants[0].chest.values
    for path in (folder / "v04711.EV5", flat, nested):
        assert np.array_equal(read_crash_test(path).occupants[0].chest.values, expected)


def test_one_column_curves(read):
    curves = usual_curves()
    for curve in curves:
        curve.columns = 1
    assert read(curves).occupants[0].chest.values == pytest.approx(usual_curves()[0].values, abs=1e-6)


def test_curves_that_no_label_needs_stay_closed(read):
    broken = [*usual_curves(), Curve(600, "ENGN", "NA", None), Curve(601, "HDCG", "01", None)]
    assert read(broken).quarantined == ()


@pytest.mark.parametrize(
    ("status", "reason"),
    [("CF", "channel failed"), ("QD", "questionable"), ("NO", "no data"), ("", "not known")],
)
def test_a_bad_data_status_is_respected_and_the_redundant_sensor_used(read, status, reason):
    test = read(changed(1, DASTAT=status))
    driver = test.occupants[0]
    assert driver.chest.name == "002 CHST 01 X"
    assert driver.flags == ("chest_redundant_sensor",)
    assert reason in reasons(test)["001 CHST 01 X"]


def test_computed_data_are_used(read):
    assert read(changed(1, DASTAT="CM")).occupants[0].chest.status == "computed"


def truncate(files):
    lines = files["v04711.001"].splitlines(keepends=True)
    files["v04711.001"] = b"".join(lines[:475])


def spoil(row, text):
    def change(files):
        lines = files["v04711.001"].split(b"\n")
        lines[row - 1] = text
        files["v04711.001"] = b"\n".join(lines)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (truncate, "v04711.001 has 475 rows, its record says 2201: it is truncated"),
        (lambda files: files.pop("v04711.001"), "the curve file v04711.001 is missing"),
        (lambda files: files.update({"v04711.001": b" \n"}), "the curve file is empty"),
        (spoil(17, b"-0.0184\t0,5"), "row 17, '-0.0184 0,5', is not a number (a decimal comma?)"),
        (spoil(17, b"-0.0184"), "row 17 has 1 columns instead of 2"),
        (spoil(17, b"-0.0184\tnan"), "row 17, '-0.0184 nan', is not finite"),
        (spoil(17, b"-0.0184\t1_5"), "row 17, '-0.0184 1_5', is not a number"),
        (spoil(17, b"-0.0184\t1e999"), "row 17, '-0.0184 1e999', is not finite"),
        (spoil(1, b"1\t2\t3"), "row 1 has 3 columns"),
        (spoil(17, b"0.5\t1.0"), "row 17 is at 0.500000 s; NFP and DELT say -0.018400 s"),
    ],
)
def test_a_bad_curve_is_quarantined_with_its_reason(tmp_path, change, reason):
    files = ev5_files()
    change(files)
    test = read_crash_test(write_folder(tmp_path / "test", files))
    assert reason in reasons(test)["001 CHST 01 X"]
    assert test.occupants[0].chest.name == "002 CHST 01 X"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"YUNITS": "NWT"}, "'NWT' is not a known unit of acceleration"),
        ({"DELT": "0"}, "describe no curve"),
        ({"DELT": "1e2"}, "DELT is '1e2' and not a whole number"),
        ({"NLP": "9" * 400}, "not a whole number"),
        ({"NLP": "900000"}, "describe no curve"),
        ({"DELT": "1000", "NFP": "-20", "NLP": "2180"}, "NFP and DELT say"),
    ],
)
def test_a_record_that_describes_no_usable_curve(read, fields, reason):
    assert reason in reasons(read(changed(1, **fields)))["001 CHST 01 X"]


def test_a_rate_too_low_for_the_filter_is_refused_early(read):
    slow = usual_curves()
    slow[0].columns = 1
    slow[0].fields |= {"DELT": "1000"}
    assert "needs 1800 Hz" in reasons(read(slow))["001 CHST 01 X"]


def test_when_no_chest_is_left_the_occupant_stays_without(read):
    curves = [curve for curve in changed(3, DASTAT="CF") if curve.number != 2]
    test = read(curves)
    assert test.occupants[1].chest is None
    assert test.occupants[0].chest is not None


def test_without_any_chest_the_error_says_why(read):
    curves = [curve for curve in changed(3, DASTAT="CF") if curve.number not in {1, 2}]
    with pytest.raises(
        FileFormatError, match=r"No usable chest accelerometer .* 003 CHST 02 X: the channel fail"
    ):
        read(curves)


def test_one_side_and_redundant_vehicle_sensors_are_flagged(read):
    assert read(changed(11, DASTAT="CF")).flags == ("vehicle_one_side",)
    spare = Curve(20, "FLRR", "NA", usual_curves()[3].values, {"CHSTAT": "R"})
    test = read([*changed(11, DASTAT="CF"), spare])
    assert test.flags == ("vehicle_redundant_sensor",)
    assert [sensor.location for sensor in test.vehicle] == ["FLLR", "FLRR"]


def test_places_of_vehicle_sensors_in_their_order(read):
    usual = usual_curves()
    chests, car = usual[:3], usual[3].values
    sill, cg = Curve(30, "DSLR", "NA", car), Curve(31, "VECG", "NA", car)
    assert [s.location for s in read([*chests, cg, sill, Curve(32, "DSRR", "NA", car)]).vehicle] == [
        "DSLR",
        "DSRR",
    ]
    assert [s.location for s in read([*chests, cg]).vehicle] == ["VECG"]


def test_an_engine_sensor_is_never_the_vehicle(read):
    with pytest.raises(FileFormatError, match="No usable x accelerometer of the occupant compartment"):
        read([curve for curve in usual_curves() if curve.number not in {10, 11}])


def test_the_speed_comes_from_the_sensor_then_the_car_then_a_fixed_barrier(read):
    assert read(changed(10, INIVEL="-50.4")).initial_speed_mps == pytest.approx(14.0)
    without = read(changed(10, INIVEL="0.0"), vehicle={"VEHSPD": "36"})
    assert without.initial_speed_mps == pytest.approx(10.0)
    assert without.flags == ("speed_not_from_sensor",)
    assert (
        read(changed(10, INIVEL=""), vehicle={"VEHSPD": "0"}, test={"CLSSPD": "18"}).initial_speed_mps == 5.0
    )
    with pytest.raises(FileFormatError, match="No impact speed"):
        read(changed(10, INIVEL=""), vehicle={"VEHSPD": "0"}, test={"TSTCFN": "VTV", "CLSSPD": "110"})


def test_occupants_of_another_car_are_named_as_left_out(read):
    test = read(occupants=[DRIVER, {**PASSENGER, "VEHNO": "2"}])
    assert [occupant.role for occupant in test.occupants] == ["driver"]
    assert reasons(test)["occupant 02"] == "sits in vehicle 2; one car is read"


def test_unusual_seats_have_a_name(read):
    curves = [*usual_curves(), Curve(40, "CHST", "04", usual_curves()[0].values)]
    test = read(curves, occupants=[{**DRIVER, "OCCLOC": "04"}, {**DRIVER, "OCCLOC": "OT"}])
    assert [occupant.role for occupant in test.occupants] == ["left_rear", "seat_OT"]


def with_text(tmp_path, text):
    return write_folder(tmp_path / "test", ev5_files(text=text)) / "v04711.EV5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], r"v04711\.EV5 is truncated: it ends at line \d+"),
        (lambda text: text.removesuffix("----- END -----"), "is truncated"),
        (
            lambda text: text.replace("----- EV5 -----\n", ""),
            r"does not begin with '----- EV5 -----' \(line 2\)",
        ),
        (lambda text: "# only a comment\n", "is empty"),
        (lambda text: text.replace("1|16|03|", "1|16|", 1), "line 6: VEHICLE has 80 of 81 fields"),
        (lambda text: text.replace("\n----- OCCUPANT", "\n----- SPARE", 1), "has no occupant in any vehicle"),
        (lambda text: text.replace("\n----- VEHICLE", "\n----- SPARE", 1), "has no VEHICLE record"),
    ],
)
def test_a_broken_specification_is_a_clear_error(tmp_path, change, message):
    with pytest.raises(FileFormatError, match=message) as raised:
        read_crash_test(with_text(tmp_path, change(specification(usual_curves()))))
    assert "\n" not in str(raised.value)


def test_every_cut_of_the_specification_is_noticed(tmp_path):
    text = specification(usual_curves())
    path = with_text(tmp_path, text)
    for end in np.random.default_rng(0).integers(1, len(text) - 1, size=60):
        path.write_text(text[:end])
        with pytest.raises(FileFormatError):
            read_crash_test(path)


def test_garbage_ends_in_a_clear_error_or_a_test(tmp_path):
    """Flipped characters must never surface as a programming error."""
    text = specification(usual_curves())
    path = with_text(tmp_path, text)
    generator = np.random.default_rng(1)
    outcomes = set()
    for _ in range(60):
        letters = list(text)
        for at in generator.integers(0, len(letters), size=8):
            letters[at] = chr(generator.integers(32, 127))
        path.write_text("".join(letters))
        try:
            label_occupants(read_crash_test(path))
            outcomes.add("read")
        except CrashscoutError as error:
            outcomes.add(str(error))
    assert "read" in outcomes
    assert len(outcomes) > 1
    assert not any("\n" in outcome for outcome in outcomes)


def test_a_broken_instrumentation_record_costs_one_channel(tmp_path):
    text = specification(usual_curves()).replace("1|1|AC|01|CHST", "1|1|AC|01", 1)
    text = text.replace("1|12|AC", "1|twelve|AC", 1)
    test = read_crash_test(with_text(tmp_path, text))
    assert {reason for part, reason in reasons(test).items() if part.startswith("line")} == {
        "INSTRUMENTATION has 19 of 20 fields",
        "the curve number 'twelve' is not a number",
    }
    assert test.occupants[0].chest.name == "002 CHST 01 X"


def test_comments_may_hold_the_separator_and_old_characters(tmp_path):
    text = specification(changed(1, INSCOM="CHEST X | 30° ROTATED"))
    files = ev5_files() | {"v04711.EV5": text.encode("latin-1")}
    test = read_crash_test(write_folder(tmp_path / "test", files))
    assert test.occupants[0].chest.name == "001 CHEST X | 30° ROTATED"


def test_an_unknown_record_set_is_quarantined(tmp_path):
    text = specification(usual_curves()).replace("----- END", "----- HSVD -----\n1|2|3\n----- END")
    assert "HSVD is not known" in next(iter(reasons(read_crash_test(with_text(tmp_path, text))).values()))


def test_several_tests_in_one_folder(tmp_path):
    folder = write_folder(tmp_path, ev5_files(number=1) | ev5_files(number=2))
    with pytest.raises(FileFormatError, match=r"one \.EV5 file; found: v00001\.EV5, v00002\.EV5"):
        read_crash_test(folder)
    assert read_crash_test(folder / "v00002.EV5").test_number == "2"


def test_an_empty_folder_and_unknown_files(tmp_path):
    with pytest.raises(FileFormatError, match="holds no crash test"):
        read_crash_test(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileFormatError, match="holds no crash test"):
        read_crash_test(tmp_path)
    with pytest.raises(FileFormatError, match="found: none"):
        read_crash_test(tmp_path, file_format="ev5")


def test_a_format_nobody_knows(tmp_path):
    with pytest.raises(FileFormatError, match="'xls' is not a format"):
        read_crash_test(tmp_path, file_format="xls")


def test_parse_curve_shapes():
    assert parse_curve(b"1.0\r\n-2.5e1\r\n\r\n").tolist() == [[1.0], [-25.0]]
    assert parse_curve(b"0.0 1\n0.1\t2\n").tolist() == [[0.0, 1.0], [0.1, 2.0]]
