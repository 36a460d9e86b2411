"""Point removal: which samples are kept, that training sees only those, and the sign of the gap."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.point_removal import KEPT, errors_on_test_rows, kept_samples, main
from benchmarks.protocol import draw, load_dataset


@pytest.fixture(scope="module")
def problem():
    return draw(load_dataset("friedman1"), "label", 0.2, 0)


def test_the_highest_and_the_lowest_values_are_kept():
    values = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.0, 9.0, 8.0, 7.0, 6.0])
    flags = kept_samples(values)
    assert np.flatnonzero(flags[0]).tolist() == [6]
    assert np.flatnonzero(flags[len(KEPT)]).tolist() == [5]
    assert flags.sum(axis=1).tolist() == [round(10 * share) for share in (*KEPT, *KEPT, 1.0)]


def test_samples_that_are_not_kept_have_no_influence(problem):
    flags = np.ones((1, 1000), dtype=bool)
    flags[0, :300] = False
    garbage = replace(problem, y_train=np.where(flags[0], problem.y_train, 50.0))
    assert errors_on_test_rows(problem, flags, 0) == errors_on_test_rows(garbage, flags, 0)


def test_networks_in_one_pass_are_those_trained_alone(problem):
    flags = np.ones((3, 1000), dtype=bool)
    flags[1, 500:] = False
    together = errors_on_test_rows(problem, flags, 0)
    np.testing.assert_allclose(errors_on_test_rows(problem, flags[1:2], 0), together[1], rtol=0.02)
    assert together[0] == pytest.approx(together[2])


def test_training_without_the_noisy_rows_is_better(problem):
    everything, clean = errors_on_test_rows(problem, np.stack([np.full(1000, True), ~problem.corrupt]), 0)
    assert clean < everything < 1.0


def test_a_detector_has_a_positive_gap_and_chance_none(tmp_path, capsys):
    output = tmp_path / "removal.json"
    arguments = ["--datasets", "friedman1_class", "--methods", "random", "data_oob", "--noise", "label"]
    assert main([*arguments, "--repetitions", "1", "--output", str(output)]) == 0
    gaps = {record["method"]: record["gap"] for record in json.loads(output.read_text())["records"]}
    assert gaps["data_oob"] > 0.2
    assert abs(gaps["random"]) < 0.1
    assert "| data_oob |" in capsys.readouterr().out


def test_no_repetition_is_one_line(capsys):
    assert main(["--repetitions", "0"]) == 2
    assert capsys.readouterr().err.startswith("nothing to measure")
