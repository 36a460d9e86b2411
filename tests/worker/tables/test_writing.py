"""A table is written whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from service.errors import InputError
from worker.tables import check_destination, read_table, write_table

COLUMNS = {"row": np.arange(3), "value": np.array([0.1, -2.0, 1e-300]), "arm": np.array(["a", "b", "a"])}


def test_csv_is_plain(tmp_path):
    write_table(tmp_path / "v.csv", COLUMNS)
    assert (tmp_path / "v.csv").read_text() == "row,value,arm\n0,0.1,a\n1,-2.0,b\n2,1e-300,a\n"


@pytest.mark.parametrize("name", ["v.csv", "v.csv.gz", "v.parquet"])
def test_each_format_holds_the_same_and_repeats_its_bytes(tmp_path, name):
    write_table(tmp_path / name, COLUMNS)
    first = (tmp_path / name).read_bytes()
    table = read_table(tmp_path / name)
    assert {key: column.values.tolist() for key, column in table.columns.items()} == {
        key: column.tolist() for key, column in COLUMNS.items()
    }
    write_table(tmp_path / name, COLUMNS)
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, interruption):
    (tmp_path / "v.csv").write_text("old")

    def interrupt(_descriptor):
        raise interruption

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises((KeyboardInterrupt, InputError)) as ended:
        write_table(tmp_path / "v.csv", COLUMNS)
    assert isinstance(ended.value, KeyboardInterrupt) or "No space left on device" in str(ended.value)
    assert (tmp_path / "v.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["v.csv"]


def test_new_files_obey_the_umask_and_links_stay_links(tmp_path):
    before = os.umask(0o027)
    try:
        write_table(tmp_path / "v.csv", COLUMNS)
    finally:
        os.umask(before)
    assert (tmp_path / "v.csv").stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "real.csv")
    write_table(link, COLUMNS)
    assert link.is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("row,")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v.txt", "unknown kind of table"),
        ("nowhere/v.csv", "does not exist"),
        ("folder.csv", "is a folder"),
        ("train.csv", "would be overwritten"),
        ("hard.csv", "would be overwritten"),
    ],
)
def test_a_bad_destination_is_refused_beforehand(tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    train = tmp_path / "train.csv"
    train.write_text("a\n1\n")
    (tmp_path / "hard.csv").hardlink_to(train)
    with pytest.raises(InputError, match=message):
        check_destination(tmp_path / name, [train])


def test_a_new_file_and_an_older_result_are_good_destinations(tmp_path, monkeypatch):
    (tmp_path / "old.csv").touch()
    check_destination(tmp_path / "old.csv", [tmp_path / "nothing.csv"])
    monkeypatch.chdir(tmp_path)
    check_destination(Path("new.parquet"))
