"""`crashscout rank` keeps the contract that outside tools rely on."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.worker.commands.conftest import crash_table
from worker.acquisition.backtest import BacktestReport, StrategyResult
from worker.acquisition.evidence import Verdict
from worker.tables import read_table, write_table

COLUMNS = ["row", "rank", "score", "information", "relevance", "predicted", "predicted_std", "arm"]
LABELLED = 60
POOL = 40


def candidates(n=POOL, seed=3):
    """Designs with a price and a source, without a target."""
    table = crash_table(n, seed)
    del table["rolc_g"]
    rng = np.random.default_rng(seed)
    return table | {"price_usd": np.round(rng.uniform(400, 5000, n), 2)}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rank")
    write_table(folder / "labelled.csv", crash_table(LABELLED, 1))
    write_table(folder / "pool.csv", candidates())
    write_table(folder / "pool.parquet", candidates())
    heavy = crash_table(30, 5)
    heavy["mass_kg"] = heavy["mass_kg"] + 1200
    del heavy["rolc_g"]
    write_table(folder / "domain.csv", heavy)
    return folder


@pytest.fixture
def rank(run, folder, tmp_path):
    """`crashscout rank` on the tables, 5 epochs and 2 networks, to `ranking.csv` of the test's folder."""

    def _rank(*options, labelled="labelled.csv", pool="pool.csv", target="rolc_g", output="ranking.csv"):
        return run(
            "rank",
            folder / labelled,
            "--pool",
            folder / pool,
            "--target",
            target,
            "--output",
            tmp_path / output,
            "--ignore",
            "price_usd",
            "--ensemble",
            2,
            "--epochs",
            5,
            *options,
        )

    return _rank


@pytest.fixture
def priced(run, folder, tmp_path):
    """The same with the prices."""

    def _priced(*options, output="ranking.csv"):
        arguments = ["--pool", folder / "pool.csv", "--target", "rolc_g", "--output", tmp_path / output]
        small = ["--cost-column", "price_usd", "--ensemble", 2, "--epochs", 5]
        return run("rank", folder / "labelled.csv", *arguments, *small, *options)

    return _priced


def columns_of(path):
    return {name: column.values for name, column in read_table(path).columns.items()}


def test_one_line_per_candidate_and_the_batch_comes_first(rank, tmp_path):
    status, output, errors = rank("--batch-size", 6, "--json")
    assert (status, errors) == (0, "")
    document = json.loads(output)
    columns = columns_of(tmp_path / "ranking.csv")
    assert list(columns) == COLUMNS
    assert columns["rank"].tolist() == list(range(1, POOL + 1))
    assert sorted(columns["row"]) == list(range(POOL))
    assert [one["row"] for one in document["batch"]] == columns["row"][:6].tolist()
    assert columns["arm"].tolist() == ["chosen"] * 6 + [None] * (POOL - 6)
    assert (np.diff(columns["score"][6:]) <= 0).all()
    assert all(np.isfinite(columns[name]).all() for name in COLUMNS[:-1])
    assert (document["labelled_rows"], document["pool_rows"], document["target_rows"]) == (60, 40, 40)
    assert document["features"] == ["speed_kmh", "mass_kg", "belt", "electric"]
    assert document["target_sd_after"] < document["target_sd_before"]
    assert document["spent"] == 6.0  # without prices money counts rows


def test_people_see_the_batch_its_reasons_and_the_evidence(rank):
    status, output, _ = rank("--batch-size", 3)
    assert status == 0
    assert "40 candidates ranked by variance_reduction" in output
    assert "Evidence: Not enough data to say" in output
    assert "no backtest has run on its 60 labelled samples" in output.lower()
    assert output.count("chosen") == 3
    assert "costs" in output


def test_the_same_bytes_again_and_in_another_process(rank, folder, tmp_path):
    rank("--seed", 5)
    first = (tmp_path / "ranking.csv").read_bytes()
    rank("--seed", 6, output="other.csv")
    assert (tmp_path / "other.csv").read_bytes() != first
    command = [sys.executable, "-m", "service.cli", "rank", folder / "labelled.csv", "--seed", "5"]
    command += ["--pool", folder / "pool.parquet", "--target", "rolc_g", "--ignore", "price_usd"]
    command += ["--ensemble", "2", "--epochs", "5", "--output", "process.csv", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "process.csv").read_bytes() == first


def test_the_target_domain_changes_the_order(rank, folder, tmp_path):
    rank(output="pool.csv")
    status, output, _ = rank("--target-domain", folder / "domain.csv", "--json", output="domain.csv")
    assert (status, json.loads(output)["target_rows"]) == (0, 30)
    orders = [columns_of(tmp_path / f"{name}.csv")["row"].tolist() for name in ("pool", "domain")]
    assert orders[0] != orders[1]


def test_budget_and_control_arm(priced, folder, tmp_path):
    status, output, _ = priced("--budget", 6000, "--control-fraction", 0.2, "--batch-size", 5, "--json")
    assert status == 0
    batch = json.loads(output)["batch"]
    price = columns_of(folder / "pool.csv")["price_usd"]
    assert sum(price[one["row"]] for one in batch) <= 6000
    assert [one["arm"] for one in batch].count("control") == 1
    arms = columns_of(tmp_path / "ranking.csv")["arm"].tolist()
    assert arms[: len(batch)] == [one["arm"] for one in batch]


def test_sources_have_pots_and_a_test_is_what_must_be_predicted(run, folder, tmp_path):
    rng = np.random.default_rng(0)
    for name, table in (("sourced", crash_table(LABELLED, 1)), ("candidates", candidates())):
        source = np.where(rng.random(len(table["belt"])) < 0.5, "test", "simulation")
        cost = np.where(source == "test", 300_000.0, 1_000.0)
        write_table(
            folder / f"{name}.csv",
            {k: v for k, v in table.items() if k != "price_usd"} | {"kind": source, "usd": cost},
        )
    arguments = [folder / "sourced.csv", "--pool", folder / "candidates.csv", "--target", "rolc_g", "--json"]
    arguments += ["--cost-column", "usd", "--source-column", "kind", "--ensemble", 2, "--epochs", 5]
    arguments += ["--output", tmp_path / "r.csv", "--target-source", "test", "--batch-size", 8]
    status, output, errors = run(
        "rank", *arguments, "--source-budget", "test=700000", "--source-budget", "simulation=5000"
    )
    assert (status, errors) == (0, "")
    document = json.loads(output)
    paid = [one["acquisition_cost"] for one in document["batch"]]
    assert 1 <= paid.count(300_000) <= 2
    assert 1 <= paid.count(1_000) <= 5
    assert "kind" in document["features"]
    assert "as a simulation it costs 1,000 USD" in " ".join(one["reason"] for one in document["batch"])
    status, _, errors = run("rank", *arguments, "--source-budget", "tets=1")
    assert status == 2
    assert "Did you mean 'test'?" in errors


def test_auto_follows_the_evidence(rank, tmp_path):
    results = (
        StrategyResult("variance_reduction", Verdict.NOT_BETTER, -0.05, (-0.2, 0.1), learns=True),
        StrategyResult("lcmd", Verdict.BETTER, -0.3, (-0.4, -0.2), learns=True),
    )
    report = BacktestReport(results, (), "", 60, 12.0, 60, 10, 0.95, {})
    (tmp_path / "report.json").write_text(json.dumps(report.to_document()))
    status, output, _ = rank("--evidence", tmp_path / "report.json", "--json")
    assert status == 0
    document = json.loads(output)
    assert (document["strategy"], document["evidence"]["verdict"]) == ("lcmd", "better")
    assert "RMSE −26 %" in document["evidence"]["sentence"]
    told = rank("--evidence", tmp_path / "report.json", "--strategy", "random", "--json", output="x.csv")[1]
    assert json.loads(told)["strategy"] == "random"


BAD = {
    "no such column": (["--target", "rolcg"], "Did you mean 'rolc_g'?"),
    "text as target": (["--target", "belt"], "the target 'belt' is a text column"),
    "strategy": (["--strategy", "oracle"], "Unknown strategy 'oracle'; choose one of: "),
    "batch size": (["--batch-size", "0"], "batch_size is 0; ask for at least 1"),
    "control": (["--control-fraction", "1"], "control_fraction is 1.0; choose it from 0 to below 1"),
    "cost exponent": (["--cost-exponent", "2"], "choose it between 0 and 1"),
    "budget": (["--budget", "0.5"], "No eligible candidate fits into the budget; the cheapest costs 1.00"),
    "negative budget": (["--budget", "-1"], "A budget is negative"),
    "cost column": (["--cost-column", "prise_usd"], "Did you mean 'price_usd'?"),
    "cost text": (["--cost-column", "belt"], "the cost column 'belt' is a text column"),
    "source budget": (["--source-budget", "test=1"], "need --source-column"),
    "pot": (["--source-column", "belt", "--source-budget", "test"], "Write it as SOURCE=MONEY."),
    "source": (["--source-column", "belt", "--target-source", "c"], "no row of column 'belt' is 'c'"),
    "source number": (["--source-column", "mass_kg"], "the source column 'mass_kg' is a number column"),
    "no evidence": (["--evidence", "nowhere.json"], "nowhere.json cannot be read"),
    "ensemble": (["--ensemble", "1"], "members must be between 2"),
    "seed": (["--seed", "-1"], "--seed -1 is out of range"),
    "threads": (["--threads", "0"], "--threads 0 is out of range"),
    "device": (["--device", "abacus"], "Use auto or cpu"),
    "ignored target": (["--ignore", "rolc_g"], "--ignore names the target"),
    "ignored nothing": (["--ignore", "sped_kmh"], "Did you mean 'speed_kmh'?"),
    "nowhere": (["--output", "nowhere/ranking.csv"], "does not exist"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_nothing_is_written(rank, tmp_path, options, message):
    status, output, errors = rank(*options)
    assert (status, output) == (2, "")
    assert errors.startswith("crashscout: ")
    assert errors.count("\n") == 1
    assert message.lower() in errors.lower()
    assert list(tmp_path.iterdir()) == []


def table_with(folder, name, lines):
    (folder / name).write_text("\n".join(lines))
    return name


def test_tables_that_cannot_be_ranked(rank, folder, tmp_path):
    header, *rows = (folder / "labelled.csv").read_text().splitlines()
    pool = (folder / "pool.csv").read_text().splitlines()
    one = table_with(folder, "one.csv", [header, rows[0]])
    assert "only one labelled row; a surrogate needs at least 10" in rank(labelled=one)[2].replace(
        ". A", "; a"
    )
    nine = table_with(folder, "nine.csv", [header, *rows[:9]])
    assert "at least 10 are needed" in rank(labelled=nine)[2]
    assert "is empty" in rank(pool=table_with(folder, "empty.csv", []))[2]
    assert "has no rows" in rank(pool=table_with(folder, "header.csv", pool[:1]))[2]
    holed = table_with(folder, "holed.csv", [pool[0], "," + pool[1].split(",", 1)[1]])
    assert "row 0 (counted from 0), column 'speed_kmh': has no value" in rank(pool=holed)[2]
    known = table_with(folder, "known.csv", [f"{header},price_usd", *(f"{row},400" for row in rows[:12])])
    status, _, errors = rank(pool=known)
    assert status == 2
    assert "All 12 candidates are pending or repeat a known design" in errors
    junk = tmp_path / "junk.json"
    junk.write_text("[]")
    assert "is no report of a backtest" in rank("--evidence", junk)[2]


def test_no_input_is_overwritten(rank, folder):
    before = (folder / "pool.csv").read_bytes()
    status, _, errors = rank("--output", folder / "pool.csv")
    assert status == 2
    assert "would be overwritten" in errors
    assert (folder / "pool.csv").read_bytes() == before


@pytest.mark.parametrize("command", ["rank", "backtest"])
def test_help_loads_nothing_heavy(command):
    script = f"import sys; sys.argv = ['crashscout', '{command}', '--help']\nfrom service import cli\n"
    script += "try: cli.main()\nexcept SystemExit: pass\n"
    script += "print({'torch', 'ot', 'pyarrow', 'alembic', 'celery'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--target-domain" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "set()"
