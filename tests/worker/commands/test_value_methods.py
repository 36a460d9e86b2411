"""Every registered valuation method works from the command line."""

import csv
import json
import math

import pytest

from tests.worker.commands.conftest import WRONG
from worker.lossval.methods import METHODS, NEED_VALIDATION_LABELS

FINDS_WRONG_LABELS = {"lossval", "knn_shapley", "data_oob", "out_of_fold_loss"}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", METHODS)
def test_each_method_values_each_row_and_repeats_its_bytes(value, tmp_path, method):
    assert value("--method", method)[0] == 0
    value("--method", method, output="again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "values.csv").read_bytes()
    found = read(tmp_path / "values.csv")
    assert sorted(int(line["rank"]) for line in found) == list(range(1, 151))
    assert all(math.isfinite(float(line["value"])) and float(line["value_std"]) >= 0 for line in found)
    assert ("value_transport" in found[0]) is (method == "lossval")
    if method in FINDS_WRONG_LABELS:
        worst = sorted(found, key=lambda line: -int(line["rank"]))[: 2 * WRONG]
        # Of 30 rows a random order finds 3 of the 15.
        assert sum(int(line["row"]) < WRONG for line in worst) >= 9


@pytest.mark.parametrize("method", METHODS)
def test_each_method_values_classes(value, tables, tmp_path, method):
    for name in ("train", "validation"):
        header, *rows = (tables / f"{name}.csv").read_text().splitlines()
        labelled = [
            f"{row.rpartition(',')[0]},{'hard' if float(row.split(',')[0]) > 56 else 'soft'}" for row in rows
        ]
        (tables / f"{name}_classes.csv").write_text("\n".join([header, *labelled]))
    status, output, _ = value(
        "--task", "classification", "--method", method, "--json",
        train="train_classes.csv", validation="validation_classes.csv",
    )  # fmt: skip
    assert status == 0
    assert json.loads(output)["classes"] == ["hard", "soft"]
    assert len(read(tmp_path / "values.csv")) == 150


@pytest.mark.parametrize("method", sorted(NEED_VALIDATION_LABELS))
def test_methods_with_a_utility_need_the_validation_target(value, tables, tmp_path, method):
    header, *rows = (tables / "validation.csv").read_text().splitlines()
    without = [line.rpartition(",")[0] for line in (header, *rows)]
    (tables / "no_target.csv").write_text("\n".join(without))
    (tables / "no_cell.csv").write_text("\n".join([header, *rows[:3], f"{without[4]},", *rows[4:]]))
    for name, message in (
        ("no_target.csv", "there is no column 'rolc_g'"),
        ("no_cell.csv", "row 3 (counted from 0), column 'rolc_g': has no value"),
    ):
        status, _, errors = value("--method", method, validation=name)
        assert status == 2
        assert f"{name}: {message}" in errors
        assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_options_that_a_method_does_not_use_are_said(value):
    status, output, errors = value(
        "--method", "random", "--mode", "normalized", "--epochs", 5, "--ensemble", 4, "--json"
    )
    assert status == 0
    assert errors.splitlines() == [
        f"note: random does not use --{name}." for name in ("mode", "epochs", "ensemble")
    ]
    document = json.loads(output)
    assert (document["mode"], document["epochs"], document["ensemble"]) == (None, None, None)


def test_the_help_names_every_method(run):
    _, output, _ = run("value", "--help")
    assert all(method in output for method in METHODS)
