import json

import numpy as np
import pytest

from benchmarks import null_backtest


def test_permuted_and_true_targets_are_told_apart(tmp_path, capsys):
    path = tmp_path / "null.json"
    arguments = ["--draws", "1", "--controls", "1", "--strategies", "lcmd", "--output", str(path)]
    assert null_backtest.main(arguments) == 0
    records = json.loads(path.read_text())["records"]
    assert [record["permuted"] for record in records] == [True, False]
    assert list(records[0]["verdicts"]) == ["lcmd"]
    assert records[0]["verdicts"]["lcmd"] != "better"
    assert "| permuted | 0.000 (0.000 to 0.793) of 1 |" in capsys.readouterr().out


def test_permuting_changes_targets_and_nothing_else():
    true, permuted = (null_backtest.make_data(3, permuted=one) for one in (False, True))
    assert (true.X == permuted.X).all()
    assert (true.target.shape, permuted.target.shape) == ((60, 6), (60, 6))
    assert sorted(true.y) == sorted(permuted.y)
    assert (true.y != permuted.y).any()


def test_a_share_has_its_wilson_interval():
    assert null_backtest.share([False] * 100) == "0.000 (0.000 to 0.037) of 100"
    assert null_backtest.share([True] * 5 + [False] * 95) == "0.050 (0.022 to 0.112) of 100"


def test_what_repeats_have_in_common():
    rng = np.random.default_rng(0)
    for common in (0.0, 1.0):
        ratios = common * rng.normal(size=(400, 1)) + rng.normal(size=(400, 6))
        records = [{"log_ratios": {"lcmd": row.tolist()}} for row in ratios]
        assert null_backtest.common_share(records) == pytest.approx(common, abs=0.15)


def test_nothing_to_measure(capsys):
    assert null_backtest.main(["--draws", "0"]) == 2
    assert "nothing to measure" in capsys.readouterr().err
