"""The noise detection benchmark: discovery, pairing, resuming, tables."""

import json

import numpy as np
import pytest

from benchmarks.contestants import CONTESTANTS, contestant
from benchmarks.noise_detection import INSPECTED, discovery, main
from benchmarks.noise_tables import PAPER, markdown, paired_difference
from benchmarks.protocol import BenchmarkError

QUICK = ["--datasets", "friedman1", "--noise", "label", "feature", "--rates", "0.2"]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "noise.json"


def run(output, *arguments):
    return main([*QUICK, "--output", str(output), *arguments])


def records_of(output):
    return json.loads(output.read_text())["records"]


def test_discovery_counts_the_corrupt_rows_among_the_lowest_values():
    corrupt = np.zeros(20, dtype=bool)
    corrupt[[0, 1, 10, 19]] = True
    found = discovery(np.arange(20.0), corrupt)
    assert found[INSPECTED.index(0.05)] == 0.25
    assert found[INSPECTED.index(0.1)] == 0.5
    assert found[INSPECTED.index(0.55)] == 0.75
    assert found[-1] == 1.0


def test_chance_finds_as_many_as_it_inspects():
    rng = np.random.default_rng(0)
    corrupt = rng.random(20_000) < 0.1
    np.testing.assert_allclose(discovery(rng.random(20_000), corrupt), INSPECTED, atol=0.03)


def test_distance_finds_feature_noise_and_out_of_bag_scores_find_label_noise(output, capsys):
    methods = ["random", "knn_distance", "data_oob"]
    assert run(output, "--methods", *methods, "--repetitions", "2", "--markdown") == 0
    areas = {}
    for record in records_of(output):
        areas.setdefault((record["method"], record["noise"]), []).append(record["auc"])
    means = {key: np.mean(values) for key, values in areas.items()}
    assert means["knn_distance", "feature"] > 0.8
    assert means["data_oob", "label"] > 0.7
    assert abs(means["random", "label"] - 0.5) < 0.1
    table = capsys.readouterr().out
    assert "**Regression** (friedman1)" in table
    assert f"| {PAPER['regression']['random'][0]:.3f} |" in table


def test_an_interrupted_run_goes_on_to_the_same_figures(output, tmp_path):
    whole = tmp_path / "whole.json"
    assert run(whole, "--methods", "random", "knn_distance", "--repetitions", "2") == 0
    assert run(output, "--methods", "random", "--repetitions", "1") == 0
    assert run(output, "--methods", "random", "knn_distance", "--repetitions", "2", "--resume") == 0

    def figures(path):
        return sorted((r["method"], r["noise"], r["repetition"], r["f1"], r["auc"]) for r in records_of(path))

    assert figures(output) == figures(whole)
    assert len(figures(whole)) == 8


def test_only_a_method_to_be_rerun_is_measured_anew(output):
    arguments = ["--methods", "random", "knn_distance", "--repetitions", "1"]
    assert run(output, *arguments) == 0
    document = json.loads(output.read_text())
    for record in document["records"]:
        record["f1"] = -1.0
    output.write_text(json.dumps(document))
    assert run(output, *arguments, "--resume", "--rerun", "random") == 0
    figures = {(r["method"], r["f1"] == -1.0) for r in records_of(output)}
    assert figures == {("random", False), ("knn_distance", True)}


def test_the_difference_is_paired_by_draw():
    draws = [(0, 0.5, 0.4), (1, 0.9, 0.8)]
    records = []
    for repetition, best, other in draws:
        cell = {"dataset": "a", "task": "regression", "noise": "label", "rate": 0.1, "repetition": repetition}
        records += [
            cell | {"method": CONTESTANTS[0], "f1": best, "auc": 0.5},
            cell | {"method": "random", "f1": other, "auc": 0.5},
        ]
    records.append(records[-1] | {"repetition": 2, "f1": 0.0})  # a draw that only one of them has
    found = paired_difference(records, "random", "f1")
    assert found.mean == pytest.approx(0.1)
    assert found.half_width == pytest.approx(0.0, abs=1e-12)
    assert "| 0.100 ± 0.000 |" in markdown(records)


def test_what_cannot_be_measured_is_one_line(output, capsys):
    assert run(output, "--repetitions", "0") == 2
    assert run(output, "--resume") == 2
    assert main(["--datasets", "iris", "--repetitions", "1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "nothing was measured",
        "--resume needs the results of an earlier run as --output",
        "no data set 'iris'",
    ]


def test_an_unknown_contestant_is_refused():
    with pytest.raises(BenchmarkError, match="choose from lossval_normalized"):
        contestant("dvrl")
