"""Tables as a user has them, and the command line in this process."""

import sys

import numpy as np
import pytest

from service import cli
from worker.tables import write_table

WRONG = 15


def crash_table(n, seed, *, wrong=0):
    """Columns of n tests; the first `wrong` labels are 6 to 9 g off."""
    rng = np.random.default_rng(seed)
    speed, mass = rng.normal(56, 3, n), rng.normal(1900, 300, n)
    belt, electric = rng.choice(["a", "b"], n), rng.random(n) < 0.3
    rolc = 26 + 0.8 * (speed - 56) - 0.004 * (mass - 1900) + 2 * (belt == "b") + 0.2 * rng.normal(size=n)
    rolc[:wrong] += rng.choice([-1, 1], wrong) * rng.uniform(6, 9, wrong)
    return {"speed_kmh": speed, "mass_kg": mass, "belt": belt, "electric": electric, "rolc_g": rolc}


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """A folder with train and validation as CSV, gzipped CSV and Parquet."""
    folder = tmp_path_factory.mktemp("tables")
    for ending in ("csv", "csv.gz", "parquet"):
        write_table(folder / f"train.{ending}", crash_table(150, 1, wrong=WRONG))
        write_table(folder / f"validation.{ending}", crash_table(50, 2))
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `crashscout` in this process; gives status, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def _run(*arguments):
        monkeypatch.setattr(sys, "argv", ["crashscout", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code or 0, *capsys.readouterr())

    return _run


@pytest.fixture
def value(run, tables, tmp_path):
    """`crashscout value` on the tables, 20 epochs, to `values.csv` of the test's folder; options overrule."""

    def _value(
        *options, train="train.csv", validation="validation.csv", target="rolc_g", output="values.csv"
    ):
        return run(
            "value",
            tables / train,
            "--validation",
            tables / validation,
            "--target",
            target,
            "--output",
            tmp_path / output,
            *options,
        )

    return _value
