"""The same table from CSV and Parquet; whatever else people save is refused in one line that says what to do."""

import gzip
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import InputError
from worker.tables import Table, read_table, write_table

CSV = "speed_kmh,belt,electric,mass_kg\n56.1,a,true,1900\n48,b,False,2100\n-1e-3,a,TRUE,1.5e3\n"


def read_text(folder: Path, text: str | bytes, name: str = "t.csv") -> Table:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


def cells(table: Table) -> dict[str, list[object]]:
    return {name: column.values.tolist() for name, column in table.columns.items()}


EXPECTED = {
    "speed_kmh": [56.1, 48.0, -0.001],
    "belt": ["a", "b", "a"],
    "electric": [True, False, True],
    "mass_kg": [1900.0, 2100.0, 1500.0],
}


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        CSV.removesuffix("\n"),
        CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\r"),
        "\ufeff" + CSV,
        CSV + "\n\n",
        CSV.replace("56.1", '"56.1"').replace("speed_kmh", '"speed_kmh"'),
        CSV.replace("48,b", " 48 , b "),
    ],
    ids=["plain", "no last line end", "crlf", "cr", "bom", "blank lines", "quoted", "spaces"],
)
def test_all_ways_to_write_the_same_csv(tmp_path, text):
    table = read_text(tmp_path, text)
    assert cells(table) == EXPECTED
    assert [column.kind for column in table.columns.values()] == ["number", "text", "boolean", "number"]


def test_parquet_and_gzip_hold_the_same_table(tmp_path):
    assert cells(read_text(tmp_path, gzip.compress(CSV.encode()), "t.csv.gz")) == EXPECTED
    typed = {
        "speed_kmh": pa.array([56.1, 48, -0.001], pa.float64()),
        "belt": pa.array(["a", "b", "a"]).dictionary_encode(),
        "electric": pa.array([True, False, True]),
        "mass_kg": pa.array([1900, 2100, 1500], pa.int32()),
    }
    pyarrow.parquet.write_table(pa.table(typed), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert cells(table) == EXPECTED
    assert [column.kind for column in table.columns.values()] == ["number", "text", "boolean", "number"]


def test_missing_cells_are_read_and_known_as_such(tmp_path):
    table = read_text(tmp_path, "a,b,c\n1,NA,true\nNaN,,\n,x,false\n")
    assert table.column("a").missing().tolist() == [False, True, True]
    # A text column may call a category NA.
    assert table.column("b").values.tolist() == ["NA", None, "x"]
    assert table.column("c").values.tolist() == [True, None, False]


REFUSED = {
    "empty": (b"", "is empty"),
    "header only": (b"a,b\n", "no rows below its header"),
    "header without line end": (b"a,b", "no rows below its header"),
    "blank": (b"\n\n", "column"),
    "semicolons": (b"a;b\n1,5;2\n", "separates its cells by semicolons"),
    "tabs": (b"a\tb\n1\t2\n", "separates its cells by tabs"),
    "short row": (b"a,b\n1,2\n3\n", "row 1 (counted from 0) has 1 cells, the header has 2"),
    "long row": (b"a,b\n1,2\n3,4\n5,6,7\n", "row 2 (counted from 0) has 3 cells"),
    "open quote": (b'a,b\n1,2\n"3,4\n5,6\n', "row 1 (counted from 0) has 1 cells"),
    "twice": (b"a,b,a\n1,2,3\n", "column 'a' stands twice"),
    "nameless": (b",b\n1,2\n", "column 1 has no name"),
    "latin-1": ("a,b\n1,2\n3,ü\n".encode("latin-1"), "is not UTF-8 in line 3"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "is not text in UTF-8"),
    "parquet inside": (b"PAR1....", "is a Parquet file"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused(tmp_path, data, message):
    with pytest.raises(InputError) as refused:
        read_text(tmp_path, data)
    assert message in str(refused.value)
    assert refused.value.hint
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.xlsx", b"PK", "Names end in .csv, .csv.gz or .parquet"),
        ("t.parquet", b"a,b\n1,2\n", "is no whole Parquet file"),
        ("t.parquet", b"", "is empty"),
        ("t.csv.gz", b"a,b\n1,2\n", "is not whole gzip"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 50, mtime=0)[:-12], "is not whole gzip"),
    ],
)
def test_the_ending_says_what_the_file_must_be(tmp_path, name, data, message):
    with pytest.raises(InputError, match=message):
        read_text(tmp_path, data, name)


def test_a_cut_parquet_file_is_refused(tmp_path):
    write_table(tmp_path / "t.parquet", {"a": np.arange(1000.0)})
    whole = (tmp_path / "t.parquet").read_bytes()
    for size in (10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(InputError, match="is no whole Parquet file"):
            read_text(tmp_path, whole[:size], "t.parquet")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.csv does not exist"):
        read_table(tmp_path / "nothing.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv is no file"):
        read_table(tmp_path / "folder.csv")


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["1", "2,5", "3"], "mixes numbers"),
        (["56,1", "48,0", "55,9"], "has decimal commas"),
        (["1", "1_5", "2"], "mixes numbers"),
        (["1", "0x1F", "2"], "mixes numbers"),
        (["12", "12 g", "13"], "mixes numbers (row 0: 12) and texts (row 1: '12 g')"),
        (["true", "1", "false"], "mixes numbers"),
    ],
)
def test_numbers_that_are_none_are_not_taken_for_categories(tmp_path, texts, problem):
    table = read_text(tmp_path, "a,b\n" + "".join(f'"{text}",1\n' for text in texts))
    with pytest.raises(InputError) as refused:
        table.column("a")
    assert problem in str(refused.value)
    assert table.column("b").kind == "number"  # the others can be used


def test_parquet_columns_without_meaning_as_features(tmp_path):
    columns = {
        "day": pa.array([date(2026, 1, 1)]),
        "pulse": pa.array([[1.0, 2.0]]),
        "price": pa.array([1], pa.int64()),
        "nothing": pa.nulls(1),
    }
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.complete("price").values.tolist() == [1.0]
    with pytest.raises(InputError, match="column 'day' holds date32"):
        table.column("day")
    with pytest.raises(InputError, match="column 'pulse' holds list"):
        table.column("pulse")
    with pytest.raises(InputError, match="column 'nothing': has no value"):
        table.complete("nothing")


def test_row_names_of_pandas_are_no_column(tmp_path):
    columns = {"a": pa.array([1.5, 2.5], pa.float32()), "__index_level_0__": pa.array([7, 8])}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert cells(read_table(tmp_path / "t.parquet")) == {"a": [1.5, 2.5]}


def test_a_column_name_with_a_line_end_gives_one_line(tmp_path):
    pyarrow.parquet.write_table(pa.table({"a\nb": pa.array([None], pa.float64())}), tmp_path / "t.parquet")
    with pytest.raises(InputError) as refused:
        read_table(tmp_path / "t.parquet").complete("a\nb")
    assert "column 'a b': has no value" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_name_with_an_equals_sign_adds_no_column(tmp_path):
    folder = tmp_path / "year=2026"
    folder.mkdir()
    write_table(folder / "t.parquet", {"a": np.arange(2.0)})
    assert list(read_table(folder / "t.parquet").columns) == ["a"]


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(numbers=st.lists(finite, min_size=1, max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_numbers_survive_csv_and_parquet_exactly(tmp_path, numbers):
    for ending in ("csv", "parquet"):
        path = tmp_path / f"n.{ending}"
        write_table(path, {"a": np.array(numbers), "b": np.arange(len(numbers))})
        assert read_table(path).columns["a"].values.tobytes() == np.array(numbers).tobytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A good file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    columns = {"a": np.arange(30.0), "b": np.resize(["x", "y"], 30)}
    for name in ("t.csv", "t.parquet", "t.csv.gz"):
        write_table(folder / name, columns)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(start=st.integers(0, 2000), length=st.integers(0, 40), other=st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.csv.gz"])
def test_damaged_files_give_a_table_or_a_complaint(tmp_path, whole, name, start, length, other):
    start %= len(whole[name])
    path = tmp_path / name
    path.write_bytes(whole[name][:start] + other + whole[name][start + length :])
    with suppress(InputError):  # nothing else may come out
        table = read_table(path)
        assert table.rows > 0
        assert all(len(column.values) == table.rows for column in table.columns.values())
