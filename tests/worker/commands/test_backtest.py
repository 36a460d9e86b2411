"""`crashscout backtest` keeps the contract that outside tools rely on."""

import json

import numpy as np
import pytest

from tests.worker.commands.conftest import crash_table
from worker.acquisition.backtest import BacktestReport
from worker.tables import write_table

ROWS = 60
SMALL = ["--initial", 20, "--batch-size", 8, "--rounds", 2, "--repeats", 5, "--ensemble", 2]
SMALL += ["--label-precision", "equal"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backtest")
    rng = np.random.default_rng(0)
    table = crash_table(ROWS, 1) | {
        "platform": np.array([f"p{row // 3}" for row in range(ROWS)]),
        "ordered_on": np.array([f"2024-01-{1 + row % 28:02d}" for row in range(ROWS)]),
        "usd": np.round(rng.uniform(400, 5000, ROWS), 2),
    }
    write_table(folder / "data.csv", table)
    domain = crash_table(15, 2)
    write_table(folder / "labelled_domain.csv", domain)
    del domain["rolc_g"]
    write_table(folder / "domain.csv", domain)
    return folder


@pytest.fixture
def backtest(run, folder, tmp_path):
    """`crashscout backtest` on the table, small, to `report.json` of the test's folder."""

    def _backtest(*options, data="data.csv", target="rolc_g", output="report.json"):
        columns = ["--group-column", "platform", "--ignore", "ordered_on", "--ignore", "usd"]
        arguments = [folder / data, "--target", target, "--output", tmp_path / output]
        return run("backtest", *arguments, *columns, *SMALL, *options)

    return _backtest


def test_the_report_has_curves_intervals_and_verdicts(backtest, tmp_path):
    status, output, errors = backtest("--json", "--strategies", "lcmd, variance_reduction")
    assert (status, errors) == (0, "")
    document = json.loads((tmp_path / "report.json").read_text())
    assert json.loads(output) == document | {"output": str(tmp_path / "report.json")}
    assert [one["strategy"] for one in document["strategies"]] == ["lcmd", "variance_reduction"]
    for one in document["strategies"]:
        assert one["verdict"] in {"better", "not_better", "worse"}
        assert one["interval"][0] < one["log_ratio"] < one["interval"][1]
        assert [point["labels"] for point in one["curve"]] == [20, 28, 36]
        assert set(one["labels_saved"]) == {"amount", "share", "interval"}
    assert (document["labelled"], document["groups"], document["repeats"]) == (60, 20, 5)
    assert BacktestReport.from_document(document).to_document() == document


def test_the_same_seed_gives_the_same_bytes(backtest, tmp_path):
    backtest("--strategies", "lcmd")
    backtest("--strategies", "lcmd", output="again.json")
    backtest("--strategies", "lcmd", "--seed", 1, output="other.json")
    first = (tmp_path / "report.json").read_bytes()
    assert (tmp_path / "again.json").read_bytes() == first
    assert (tmp_path / "other.json").read_bytes() != first


def test_people_see_a_line_per_strategy(run, folder, tmp_path):
    arguments = [folder / "data.csv", "--target", "rolc_g", "--output", tmp_path / "report.json", *SMALL]
    columns = ["--group-column", "platform", "--order-column", "ordered_on", "--cost-column", "usd"]
    status, output, _ = run("backtest", *arguments, *columns, "--strategies", "lcmd")
    assert status == 0
    assert "Backtest on 60 labelled rows in" in output
    lines = {line.split()[0]: line for line in output.splitlines() if " % to " in line}
    assert {"lcmd", "as_bought"} <= set(lines)
    assert "The strategy auto takes variance reduction" in output
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["strategies"][0]["curve"][-1]["acquisition_cost"] > 16 * 400


def test_labelled_rows_of_the_target_domain_are_measured_on(backtest, folder, tmp_path):
    strategy = ["--strategies", "lcmd"]
    assert backtest("--target-domain", folder / "labelled_domain.csv", *strategy)[0] == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["labelled"], document["holdout_rows"]) == (75, 15)
    assert backtest("--target-domain", folder / "domain.csv", *strategy)[0] == 0
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["labelled"] == 60
    assert 10 <= document["holdout_rows"] <= 18


def test_too_few_rows_are_no_error_but_an_answer(backtest, tmp_path):
    status, output, _ = backtest("--initial", 40)
    assert status == 0
    assert "not_enough_data" in output
    assert "more, or lower initial, rounds or batch_size." in output
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["verdict"] == "not_enough_data"
    assert [one["log_ratio"] for one in document["strategies"]] == [None, None]


BAD = {
    "no such column": (["--target", "rolcg"], "Did you mean 'rolc_g'?"),
    "text as target": (["--target", "belt"], "the target 'belt' is a text column"),
    "strategy": (["--strategies", "lcmd,oracle"], "Unknown strategy 'oracle'; choose one of: "),
    "auto": (["--strategies", "auto"], "auto is what a backtest decides for"),
    "initial": (["--initial", "5"], "initial is 5; choose 10 or more"),
    "repeats": (["--repeats", "2"], "repeats is 2; choose 5 or more"),
    "rounds": (["--rounds", "0"], "rounds is 0"),
    "holdout": (["--holdout-fraction", "1"], "holdout_fraction is 1.0"),
    "budget": (["--budget", "0"], "budget is 0.0"),
    "precision": (["--label-precision", "best"], "choose lossval or equal"),
    "group": (["--group-column", "plattform"], "Did you mean 'platform'?"),
    "order": (["--order-column", "bought"], "there is no column 'bought'"),
    "cost text": (["--cost-column", "belt"], "the cost column 'belt' is a text column"),
    "target source": (["--target-source", "a"], "--target-source needs --source-column"),
    "seed": (["--seed", "-1"], "--seed -1 is out of range"),
    "threads": (["--threads", "0"], "--threads 0 is out of range"),
    "ignored target": (["--ignore", "rolc_g"], "--ignore names the target"),
    "ignored nothing": (["--ignore", "sped_kmh"], "Did you mean 'speed_kmh'?"),
    "nowhere": (["--output", "nowhere/report.json"], "does not exist"),
    "no JSON": (["--output", "report.csv"], "Let its name end in .json."),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_nothing_is_written(backtest, tmp_path, options, message):
    status, output, errors = backtest(*options)
    assert (status, output) == (2, "")
    assert errors.startswith("crashscout: ")
    assert errors.count("\n") == 1
    assert message.lower() in errors.lower()
    assert list(tmp_path.iterdir()) == []


def test_broken_tables(backtest, folder):
    header, *rows = (folder / "data.csv").read_text().splitlines()
    (folder / "empty.csv").write_text("")
    (folder / "holed.csv").write_text("\n".join([header, *rows, "," + rows[0].split(",", 1)[1]]))
    assert "is empty" in backtest(data="empty.csv")[2]
    assert "row 60 (counted from 0), column 'speed_kmh': has no value" in backtest(data="holed.csv")[2]
