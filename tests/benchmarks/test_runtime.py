"""The run time benchmark: its figures, not the time they took."""

import json

import pytest

from benchmarks.runtime import exponent, main, make_problem


def test_the_exponent_is_the_slope_between_the_largest_sizes():
    times = {"a": {100: [9.0], 1000: [2.0, 1.0, 1.0], 2000: [4.0]}}
    assert exponent(times, "a") == pytest.approx(2.0)


def test_generated_targets_are_standardised():
    problem = make_problem(500)
    assert problem.y.mean() == pytest.approx(0.0, abs=1e-12)
    assert problem.y.std() == pytest.approx(1.0)
    assert len(problem.X_validation) == len(problem.y_validation) == 100


def test_every_repetition_of_every_size_is_reported(tmp_path, capsys):
    output = tmp_path / "runtime.json"
    arguments = ["--methods", "random", "knn_distance", "--sizes", "100", "200", "--repetitions", "2"]
    assert main([*arguments, "--output", str(output)]) == 0
    methods = json.loads(output.read_text())["methods"]
    assert {name: [len(s) for s in m["seconds"].values()] for name, m in methods.items()} == {
        "random": [2, 2],
        "knn_distance": [2, 2],
    }
    assert "| knn_distance |" in capsys.readouterr().out


def test_nothing_to_measure_is_one_line(capsys):
    assert main(["--sizes", "10"]) == 2
    assert capsys.readouterr().err.startswith("nothing to measure")
