"""`crashscout value` keeps the contract that outside tools rely on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.worker.commands.conftest import WRONG
from worker.tables import read_table

LOSSVAL_COLUMNS = ["row", "value", "value_std", "rank", "value_target_loss", "value_transport"]
FAST = ("--epochs", 20)


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_line_per_row_of_the_training_table(value, tmp_path):
    assert value(*FAST)[0] == 0
    table = read_table(tmp_path / "values.csv")
    assert list(table.columns) == LOSSVAL_COLUMNS
    columns = {name: column.values for name, column in table.columns.items()}
    assert columns["row"].tolist() == list(range(150))
    assert sorted(columns["rank"]) == list(range(1, 151))
    by_rank = columns["value"][np.argsort(columns["rank"])]
    assert (np.diff(by_rank) <= 0).all()  # rank 1 = the most valuable
    assert (columns["value_std"] >= 0).all()
    assert all(np.isfinite(column).all() for column in columns.values())


def test_planted_wrong_labels_are_found_and_named_as_labels(value, tmp_path):
    value()
    worst = sorted(lines(tmp_path / "values.csv"), key=lambda line: -int(line["rank"]))[: WRONG + 5]
    found = [line for line in worst if int(line["row"]) < WRONG]
    assert len(found) >= WRONG - 2  # a random order finds 2
    assert all(float(line["value_target_loss"]) < float(line["value_transport"]) for line in found)


def test_json_is_one_object_and_nothing_else_is_said(value, tmp_path):
    status, output, errors = value(*FAST, "--json", "--seed", 3)
    assert (status, errors) == (0, "")
    document = json.loads(output)
    assert {key: document[key] for key in ("method", "mode", "task", "target", "seed", "rows", "epochs")} == {
        "method": "lossval", "mode": "normalized", "task": "regression", "target": "rolc_g", "seed": 3,
        "rows": 150, "epochs": 20,
    }  # fmt: skip
    assert document["features"] == ["speed_kmh", "mass_kg", "belt", "electric"]
    assert document["encoded_columns"] == 5
    assert document["validation_rows"] == 50
    worst = document["least_valuable"]
    assert [line["rank"] for line in worst] == list(range(150, 140, -1))
    written = lines(tmp_path / "values.csv")[worst[0]["row"]]
    assert {name: float(cell) for name, cell in written.items()} == {n: worst[0][n] for n in LOSSVAL_COLUMNS}


def test_people_see_the_worst_rows_and_why(value, tmp_path):
    status, output, _ = value()
    assert status == 0
    assert f"150 values by lossval in {tmp_path / 'values.csv'}" in output
    assert output.count("its label") >= 4
    assert output.count("its label") + output.count("its features") == 10


def test_the_same_bytes_again_and_in_another_process(value, tables, tmp_path):
    value(*FAST, "--seed", 5)
    value(*FAST, "--seed", 5, output="again.csv")
    value(*FAST, "--seed", 6, output="other.csv")
    first = (tmp_path / "values.csv").read_bytes()
    assert (tmp_path / "again.csv").read_bytes() == first
    assert (tmp_path / "other.csv").read_bytes() != first
    command = [sys.executable, "-m", "service.cli", "value", tables / "train.csv", "--target", "rolc_g"]
    command += ["--validation", tables / "validation.csv", "--output", "process.csv", "--epochs", "20"]
    done = subprocess.run(
        [*command, "--seed", "5", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["output"] == "process.csv"
    assert (tmp_path / "process.csv").read_bytes() == first


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_formats_make_no_difference(value, tmp_path, ending):
    value(*FAST)
    value(*FAST, train=f"train.{ending}", validation=f"validation.{ending}", output=f"values.{ending}")
    plain, other = read_table(tmp_path / "values.csv"), read_table(tmp_path / f"values.{ending}")
    assert list(plain.columns) == list(other.columns)
    for name, column in plain.columns.items():
        assert column.values.tolist() == other.columns[name].values.tolist()


def test_lossval_never_looks_at_the_validation_target(value, tables, tmp_path):
    value(*FAST)
    header, *rows = (tables / "validation.csv").read_text().splitlines()
    without = [line.rpartition(",")[0] for line in (header, *rows)]
    (tables / "unlabelled.csv").write_text("\n".join(without))
    (tables / "half.csv").write_text("\n".join([header, *(f"{line}," for line in without[1:])]))
    for name in ("unlabelled.csv", "half.csv"):
        assert value(*FAST, validation=name, output="other.csv")[0] == 0
        assert (tmp_path / "other.csv").read_bytes() == (tmp_path / "values.csv").read_bytes()


def test_classes_are_texts(value, tables, tmp_path):
    header, *rows = (tables / "train.csv").read_text().splitlines()
    classes = ["severe" if float(row.split(",")[0]) > 56 else "mild" for row in rows]
    flipped = [
        ("mild" if label == "severe" else "severe") if i < WRONG else label for i, label in enumerate(classes)
    ]
    text = [f"{row.rpartition(',')[0]},{label}" for row, label in zip(rows, flipped, strict=True)]
    (tables / "classes.csv").write_text("\n".join([header, *text]))
    status, output, _ = value("--task", "classification", "--json", train="classes.csv")
    assert status == 0
    document = json.loads(output)
    assert document["classes"] == ["mild", "severe"]
    assert document["least_valuable"][0]["target"] in {"mild", "severe"}
    with (tmp_path / "values.csv").open() as file:
        found = sorted(csv.DictReader(file), key=lambda line: float(line["value_target_loss"]))
    assert sum(int(line["row"]) < WRONG for line in found[:WRONG]) >= 8  # of 15; a random order finds 1.5


def test_an_identifier_can_be_ignored(value, tables, tmp_path):
    header, *rows = (tables / "train.csv").read_text().splitlines()
    named = [f"test,{header}", *(f"T-{i},{row}" for i, row in enumerate(rows))]
    (tables / "named.csv").write_text("\n".join(named))
    status, _, errors = value(train="named.csv")
    assert status == 2
    assert "column 'test' is missing" in errors
    value(*FAST)
    assert value(*FAST, "--ignore", "test", train="named.csv", output="other.csv")[0] == 0
    assert (tmp_path / "other.csv").read_bytes() == (tmp_path / "values.csv").read_bytes()


def test_options_and_columns_without_effect_are_said(value, tables, tmp_path):
    for name in ("train", "validation"):
        header, *rows = (tables / f"{name}.csv").read_text().splitlines()
        belt = "c" if name == "validation" else "a"
        changed = [f"site,lot,{header}", *(f"1,{belt if i else 'a'},{row}" for i, row in enumerate(rows))]
        (tables / f"odd_{name}.csv").write_text("\n".join(changed).replace("1,a,", "1,b,", 1))
    status, _, errors = value(*FAST, train="odd_train.csv", validation="odd_validation.csv")
    assert status == 0
    assert errors.count("note: ") == 2
    assert "note: Column 'site' never changes" in errors
    assert "note: Column 'lot' has 1 categories in" in errors


BAD = {
    "no such column": (["--target", "rolcg"], "", "Did you mean 'rolc_g'?"),
    "text as target": (["--target", "belt"], "", "the target 'belt' is a text column"),
    "measured class": (["--task", "classification"], "", "use --task regression"),
    "missing cell": ([], "56,,a,true,26", "row 150 (counted from 0), column 'mass_kg': has no value"),
    "NaN": ([], "NaN,1900,a,true,26", "row 150 (counted from 0), column 'speed_kmh': has no value"),
    "infinity": ([], "56,inf,a,true,26", "row 150 (counted from 0), column 'mass_kg': is infinite"),
    "no target": ([], "56,1900,a,true,", "row 150 (counted from 0), column 'rolc_g': has no value"),
    "decimal comma": ([], '"56,1",1900,a,true,26', "column 'speed_kmh' mixes numbers"),
    "a cell too few": ([], "56,1900,a,26", "has 4 cells, the header has 5"),
    "task": (["--task", "ranking"], "", "Use regression or classification."),
    "method": (["--method", "shapley"], "", "there is no valuation method 'shapley'"),
    "mode": (["--mode", "fast"], "", "--mode must be one of normalized"),
    "ensemble": (["--ensemble", "1000"], "", "--ensemble must be between"),
    "epochs": (["--epochs", "0"], "", "--epochs must be 1 or more, not 0"),
    "seed": (["--seed", "-1"], "", "--seed -1 is out of range"),
    "threads": (["--threads", "0"], "", "--threads 0 is out of range"),
    "device": (["--device", "abacus"], "", "Use auto or cpu"),
    "ignored target": (["--ignore", "rolc_g"], "", "--ignore names the target"),
    "ignored nothing": (["--ignore", "sped_kmh"], "", "Did you mean 'speed_kmh'?"),
    "nowhere": (["--output", "nowhere/values.csv"], "", "does not exist"),
    "no ending": (["--output", "values"], "", "Names end in .csv, .csv.gz or .parquet."),
}


@pytest.mark.parametrize(("options", "row", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_nothing_is_written(value, tables, tmp_path, options, row, message):
    (tables / "bad.csv").write_text((tables / "train.csv").read_text() + f"{row}\n")
    status, output, errors = value(*options, train="bad.csv")
    assert (status, output) == (2, "")
    assert errors.startswith("crashscout: ")
    assert errors.count("\n") == 1
    assert message.lower() in errors.lower()
    assert list(tmp_path.iterdir()) == []


def test_too_few_rows_and_a_constant_target(value, tables):
    header, *rows = (tables / "train.csv").read_text().splitlines()
    (tables / "few.csv").write_text("\n".join([header, *rows[:5]]))
    assert "at least 10 are needed" in value(train="few.csv")[2]
    (tables / "flat.csv").write_text("\n".join([header, *(f"{r.rpartition(',')[0]},300.1" for r in rows)]))
    assert "the target 'rolc_g' is 300.1 in every row" in value(train="flat.csv")[2]


def test_no_input_is_overwritten(value, tables):
    before = (tables / "train.csv").read_bytes()
    status, _, errors = value("--output", tables / "train.csv")
    assert status == 2
    assert "would be overwritten" in errors
    assert (tables / "train.csv").read_bytes() == before


def test_an_older_result_survives_a_failure(value, tmp_path):
    (tmp_path / "values.csv").write_text("older")
    assert value(target="nothing")[0] == 2
    assert (tmp_path / "values.csv").read_text() == "older"


def test_ctrl_c_ends_the_run_and_leaves_nothing(tables, tmp_path):
    # What a shell starts in the background is deaf to Ctrl-C, and so is what that starts.
    hear = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", hear, sys.executable, "-m", "service.cli", "value"]
    command += [tables / "train.csv", "--target", "rolc_g", "--epochs", "100000000"]
    command += ["--validation", tables / "validation.csv", "--output", tmp_path / "values.csv"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    maps = Path(f"/proc/{process.pid}/maps")
    deadline = time.monotonic() + 60
    while "libtorch_cpu" not in maps.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in {130, -signal.SIGINT}  # a shell shows 130 for both
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_help_loads_nothing_heavy():
    script = "import sys; sys.argv = ['crashscout', 'value', '--help']\nfrom service import cli\n"
    script += "try: cli.main()\nexcept SystemExit: pass\n"
    script += "print({'torch', 'ot', 'pyarrow', 'alembic', 'celery'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--validation" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "set()"
