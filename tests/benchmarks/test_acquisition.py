from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks.acquisition import main
from benchmarks.acquisition_scenarios import SCENARIOS, draw_scenario
from benchmarks.acquisition_tables import curves_by_cell, markdown
from benchmarks.protocol import BenchmarkError, load_dataset

DATASET = "friedman1"  # generated: needs no file
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)


@every_scenario
def test_known_offered_and_measured_rows_never_overlap(scenario):
    draw = draw_scenario(DATASET, scenario, initial=50, seed=0)
    rows = np.concatenate([draw.split.initial, draw.split.pool, draw.split.holdout])
    assert len(np.unique(rows)) == len(rows) == 50 + 1000 + len(draw.split.holdout)
    assert len(draw.split.initial) == 50
    assert len(draw.split.target) == 200


@every_scenario
def test_the_same_seed_gives_the_same_draw(scenario):
    first, second = (draw_scenario(DATASET, scenario, initial=50, seed=3) for _ in range(2))
    assert first.data.y.tobytes() == second.data.y.tobytes()
    assert first.split.pool.tobytes() == second.split.pool.tobytes()


def test_the_shift_parts_the_start_from_what_counts():
    draw = draw_scenario(DATASET, "shifted", initial=50, seed=1)
    X, split = draw.data.X, draw.split
    direction = X[split.holdout].mean(axis=0) - X[split.initial].mean(axis=0)
    score = X @ direction
    assert np.mean(score[split.holdout]) - np.mean(score[split.initial]) > 1.5 * score.std()
    assert np.mean(score[split.pool] > np.quantile(score[split.holdout], 0.1)) == pytest.approx(
        0.25, abs=0.06
    )


def test_a_fifth_of_the_labels_is_wrong_but_none_that_is_measured_on():
    draw = draw_scenario(DATASET, "label_noise", initial=50, seed=1)
    clean = load_dataset(DATASET).y
    wrong = ~np.isin(draw.data.y, clean) | (
        draw.data.y != draw_scenario(DATASET, "shifted", initial=50, seed=1).data.y
    )
    assert np.mean(wrong[draw.split.pool]) == pytest.approx(0.2, abs=0.04)
    assert not wrong[draw.split.holdout].any()


def test_tests_cost_a_hundred_simulations_and_only_tests_are_measured_on():
    draw = draw_scenario(DATASET, "prices", initial=50, seed=1)
    cost, split = draw.data.acquisition_cost, draw.split
    assert set(cost) == {1.0, 100.0}
    assert (cost[split.holdout] == 100.0).all()
    assert np.mean(cost[split.pool] == 1.0) == pytest.approx(0.7, abs=0.05)
    assert draw.batch_budget == pytest.approx(cost[split.pool].mean())


def test_too_few_rows_are_refused():
    with pytest.raises(BenchmarkError, match="too few for 5000 labelled ones"):
        draw_scenario(DATASET, "shifted", initial=5000, seed=0)


def record(strategy: str, repetition: int, factors: list[float], draw: int = 0) -> dict[str, object]:
    course = [
        {"labels": 50 + 20 * index, "acquisition_cost": 20.0 * index, "rmse": factor, "q95_error": 2 * factor,
         "max_error": 3 * factor, "mean_rmse": 1.0}
        for index, factor in enumerate(factors)
    ]  # fmt: skip
    cell = {"dataset": "d", "scenario": "shifted", "initial": 50, "repetition": repetition}
    return cell | {"strategy": strategy, "draw": draw, "course": course}


def test_the_table_shows_ratio_and_labels_saved_by_hand():
    # half the error after each of two batches; random's last error is reached after the first 20 of 40 labels
    records = [
        record(name, repetition, factors, draw)
        for repetition in range(2)
        for name, factors, draw in (
            ("random", [1.0, 0.8, 0.4], 0),
            ("random", [1.0, 0.8, 0.4], 1),
            ("lcmd", [1.0, 0.4, 0.2], 0),
        )
    ]
    table = markdown(records)
    assert f"{math.log(0.5):.3f}" in table
    assert "| 50% |" in table
    assert curves_by_cell(records)["d", "shifted", 50]["random"].labels.tolist() == [[50, 70, 90]] * 2


def test_a_small_run_from_the_command_line_goes_on_where_it_stopped(tmp_path, capsys):
    output = tmp_path / "acquisition.json"
    options = [
        "--datasets",
        DATASET,
        "--scenarios",
        "same",
        "--initial",
        "20",
        "--steps",
        "5",
        "--output",
        str(output),
    ]
    strategies = ["--strategies", "variance_reduction"]
    assert main([*options, *strategies, "--repetitions", "1"]) == 0
    first = json.loads(output.read_text())["records"]
    assert main([*options, *strategies, "--repetitions", "2", "--resume", "--markdown"]) == 0
    assert json.loads(output.read_text())["records"][: len(first)] == first
    assert "variance_reduction" in capsys.readouterr().out


def test_a_missing_folder_is_said(tmp_path, capsys):
    assert main(["--datasets", "kin8nm", "--data", str(tmp_path), "--repetitions", "1"]) == 2
    assert "is not there" in capsys.readouterr().err
