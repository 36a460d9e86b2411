"""Figures against closed forms, overall and per load case."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lossval.metrics import Predictions, r2, report, rmse


def test_figures_of_errors_known_by_hand():
    errors = np.arange(1.0, 101.0)  # 1 ... 100
    y = np.tile([10.0, 30.0], 50)
    found = report(Predictions(y, y + errors, np.full(100, 90.5)), training_mean=20.0)
    mean_square = 101 * 201 / 6
    assert found == pytest.approx({
        "rows": 100,
        "rmse": math.sqrt(mean_square),
        "baseline_rmse": 10.0,
        "mae": 50.5,
        "r2": 1 - mean_square / 100,
        "q95_error": 95.05,
        "max_error": 100.0,
        "coverage_90": 0.9,
        "width_90": 181.0,
    })  # fmt: skip


def test_out_of_fold_predictions_have_a_coefficient_of_prognosis_and_no_coverage():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    found = report(Predictions(y, y + np.array([1.0, -1.0, 1.0, -1.0])), training_mean=2.5)
    assert found["cop"] == pytest.approx(1 - 4 / 5)
    assert found.keys().isdisjoint({"r2", "coverage_90", "width_90"})


def test_load_cases_are_measured_apart():
    y = np.array([1.0, 2.0, 3.0, 5.0])
    half_width = np.array([1.0, 1.0, 1.0, 3.0])
    predictions = Predictions(y, np.array([1.0, 2.0, 5.0, 5.0]), half_width, ["near", "near", "far", "far"])
    found = report(predictions, training_mean=2.0)
    near, far = found["load_cases"]["near"], found["load_cases"]["far"]
    assert list(found["load_cases"]) == ["far", "near"]
    assert (near["rows"], near["rmse"], near["coverage_90"], near["width_90"]) == (2, 0.0, 1.0, 2.0)
    assert (far["rows"], far["max_error"], far["coverage_90"], far["width_90"]) == (2, 2.0, 0.5, 4.0)
    assert far["baseline_rmse"] == pytest.approx(math.sqrt(5))
    total = near["rows"] * near["rmse"] ** 2 + far["rows"] * far["rmse"] ** 2
    assert total / found["rows"] == pytest.approx(found["rmse"] ** 2)


def test_one_row_has_figures_but_no_r2():
    found = report(Predictions(np.array([3.0]), np.array([2.0]), np.array([1.0])), training_mean=3.0)
    assert (found["r2"], found["rmse"], found["q95_error"], found["coverage_90"]) == (None, 1.0, 1.0, 1.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(-5, 5), st.floats(0.1, 10))
def test_r2_has_no_unit_and_rmse_has_the_targets(values, shift, factor):
    y = np.array(values)
    predicted = y + np.cos(np.arange(len(y)))
    assert rmse(factor * predicted + shift, factor * y + shift) == pytest.approx(
        factor * rmse(predicted, y), rel=1e-6, abs=1e-9
    )
    if y.std() > 1e-3:
        assert r2(factor * predicted + shift, factor * y + shift) == pytest.approx(
            r2(predicted, y), abs=1e-6, rel=1e-6
        )


def test_the_mean_predictor_has_r2_zero_and_truth_one():
    y = np.array([1.0, 5.0, 6.0])
    assert r2(np.full(3, 4.0), y) == 0.0
    assert r2(y, y) == 1.0
