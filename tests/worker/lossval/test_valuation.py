"""The run as the task calls it: values, choice of the surrogate, metrics, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from worker.lossval.config import LossValConfig
from worker.lossval.encoding import FeatureSpec
from worker.lossval.errors import LossValError
from worker.lossval.valuation import run_valuation

FEATURES = [
    FeatureSpec("impact_speed_kmh", "continuous"),
    FeatureSpec("mass_kg", "integer"),
    FeatureSpec("belt", "categorical", ("a", "b")),
    FeatureSpec("electric", "boolean"),
]


def make_rows(n, seed=0, mass=1900):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "impact_speed_kmh": None if rng.random() < 0.05 else float(rng.normal(56, 2)),
            "mass_kg": int(rng.normal(mass, 300)),
            "belt": str(rng.choice(["a", "b"])),
            "electric": bool(rng.random() < 0.3),
        }
        for _ in range(n)
    ]
    y = [
        26
        + 0.8 * ((r["impact_speed_kmh"] or 56) - 56)
        - 0.004 * (r["mass_kg"] - 1900)
        + 2 * (r["belt"] == "b")
        for r in rows
    ]
    return rows, np.array(y) + 0.2 * rng.normal(size=n)


def corrupted(n=200):
    rows, y = make_rows(n)
    y[:20] += np.resize([-9.0, 9.0], 20)
    return rows, y


@pytest.fixture(scope="module")
def outcome():
    rows, y = corrupted()
    seen = []
    run = run_valuation(
        FEATURES,
        rows,
        y,
        make_rows(80, 1, mass=2200)[0],
        make_rows(60, 2, mass=2200),
        progress=lambda fraction, message: seen.append((fraction, message)),
    )
    return run, seen


def test_planted_corruptions_have_the_lowest_values(outcome):
    lowest = np.argsort(outcome[0].result.values)[:20]
    assert (lowest < 20).sum() >= 16


def test_the_best_surrogate_on_validation_serves_and_the_figures_say_so(outcome):
    metrics = outcome[0].metrics
    assert json.loads(json.dumps(metrics)) == metrics
    figures = {name: metrics["validation_rmse"][name] for name in ("in_run", "plain", "weighted")}
    assert metrics["serving"] == min(figures, key=figures.get)
    assert metrics["validation_rmse"][metrics["serving"]] < 0.5 * metrics["validation_rmse"]["mean_predictor"]
    assert metrics["validation_r2"] > 0.7
    assert (metrics["train_rows"], metrics["target_rows"], metrics["validation_rows"]) == (200, 80, 60)
    assert metrics["encoded_columns"] == 6


def test_the_serving_surrogate_has_the_validation_error_of_the_metrics(outcome):
    rows, y = make_rows(60, 2, mass=2200)
    mean, _ = outcome[0].surrogate.predict(rows)
    expected = outcome[0].metrics["validation_rmse"][outcome[0].metrics["serving"]]
    assert math.sqrt(np.mean((mean - y) ** 2)) == pytest.approx(expected)


def test_progress_never_falls_and_ends_at_one(outcome):
    fractions = [fraction for fraction, _ in outcome[1]]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {message.split(":")[0] for _, message in outcome[1][:-1]} == {"data values", "plain", "weighted"}


SHORT = LossValConfig(epochs=10, surrogate_epochs=20, members=4)


def test_without_labelled_validation_the_plain_surrogate_serves():
    rows, y = make_rows(40)
    for validation in (None, ([], np.array([]))):
        run = run_valuation(FEATURES, rows, y, make_rows(20, 1)[0], validation, SHORT)
        assert run.metrics["serving"] == "plain"
        assert run.metrics["validation_rmse"] == {}
        assert set(run.metrics["out_of_fold_rmse"]) == {"in_run", "plain", "weighted", "mean_predictor"}


def test_same_seed_gives_the_same_bytes():
    rows, y = make_rows(40)
    one, same = (run_valuation(FEATURES, rows, y, rows, make_rows(9, 1), SHORT, seed=7) for _ in range(2))
    assert one.result.values.tobytes() == same.result.values.tobytes()
    assert one.surrogate.to_bytes() == same.surrogate.to_bytes()
    assert one.metrics == same.metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_rows": [], "y": np.array([])}, "no rows"),
        ({"train_rows": make_rows(9)[0], "y": make_rows(9)[1]}, "at least 10"),
        ({"target_rows": []}, "target domain"),
        ({"y": np.full(40, math.nan)}, "target: row 0"),
        ({"y": np.full(40, 26.0)}, "nothing to learn"),
        ({"validation": (make_rows(5)[0], np.full(5, math.nan))}, "finite targets"),
        ({"validation": (make_rows(5)[0], np.zeros(4))}, "finite targets"),
        ({"config": LossValConfig(task="classification")}, "train_lossval"),
        ({"target_rows": [{"mass_kg": "heavy"}]}, "row 0: feature 'mass_kg'"),
    ],
)
def test_impossible_runs_are_refused_with_a_remedy(change, message):
    rows, y = make_rows(40)
    arguments = {"features": FEATURES, "train_rows": rows, "y": y, "target_rows": rows, "config": SHORT}
    with pytest.raises(LossValError, match=message):
        run_valuation(**(arguments | change))
