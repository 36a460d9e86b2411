"""The run as the task calls it: values, choice of the surrogate, metrics, refusals."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest

from worker.lossval import checkpoint
from worker.lossval.assessment import LEVELS
from worker.lossval.config import LossValConfig
from worker.lossval.encoding import FeatureSpec
from worker.lossval.errors import LossValError
from worker.lossval.intervals import Residuals
from worker.lossval.serving import trusted_rows
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
        holdout=make_rows(70, 3, mass=2200),
        load_case="belt",
        progress=lambda fraction, message: seen.append((fraction, message)),
    )
    return run, seen


def test_the_network_that_serves_is_assessed_on_rows_it_was_not_trained_on(outcome):
    run = outcome[0]
    assert json.loads(json.dumps(run.assessment, allow_nan=False)) == run.assessment
    for name, (rows, y) in {
        "validation": make_rows(60, 2, mass=2200),
        "holdout": make_rows(70, 3, mass=2200),
    }.items():
        found = run.assessment[name]
        predicted, half_width = run.surrogate.mean_and_half_width(rows, 0.9)
        assert found["label"] == pytest.approx(y, rel=1e-6)
        assert found["predicted"] == pytest.approx(predicted, rel=1e-6)
        assert found["half_width"] == pytest.approx(half_width, rel=1e-6)
        assert set(found["residuals"]) == {"a", "b"}
        assert [item["level"] for item in found["coverage"]] == list(LEVELS)
        for item in found["coverage"]:
            low, high = run.surrogate.interval(rows, item["level"])
            assert item["observed"] == pytest.approx(((low <= y) & (y <= high)).mean())
            assert item["width"] == pytest.approx((high - low).mean())
    assert run.assessment["out_of_fold"]["total"] == run.metrics["train_rows"]


def test_planted_corruptions_have_the_lowest_values(outcome):
    lowest = np.argsort(outcome[0].result.values)[:20]
    assert (lowest < 20).sum() >= 16


def test_the_best_surrogate_on_validation_serves_and_the_figures_say_so(outcome):
    metrics = outcome[0].metrics
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    errors = {name: found["rmse"] for name, found in metrics["validation"].items()}
    serving = metrics["serving"]
    assert set(errors) == {"in_run", "plain", "weighted"}
    assert serving == min(errors, key=errors.get)
    assert metrics["serving_reason"].startswith(
        f"{serving} has the lowest RMSE on the labelled validation rows"
    )
    assert f"{errors['plain']:.4g}" in metrics["serving_reason"]
    assert errors[serving] < 0.5 * metrics["validation"][serving]["baseline_rmse"]
    assert metrics["validation"][serving]["r2"] > 0.7
    assert (metrics["train_rows"], metrics["target_rows"], metrics["validation_rows"]) == (200, 80, 60)
    assert metrics["encoded_columns"] == 6


@pytest.mark.parametrize(("name", "rows"), [("validation", (60, 2)), ("holdout", (70, 3))])
def test_reports_are_the_errors_of_the_serving_surrogate(outcome, name, rows):
    run = outcome[0]
    found = run.metrics["holdout"] if name == "holdout" else run.metrics["validation"][run.metrics["serving"]]
    design, y = make_rows(*rows, mass=2200)
    mean, _ = run.surrogate.predict(design)
    lower, upper = run.surrogate.interval(design)
    assert found["rmse"] == pytest.approx(math.sqrt(np.mean((mean - y) ** 2)))
    assert found["max_error"] == pytest.approx(np.abs(mean - y).max())
    assert found["coverage_90"] == pytest.approx(((lower <= y) & (y <= upper)).mean())
    assert found["width_90"] == pytest.approx((upper - lower).mean())
    belts = [row["belt"] for row in design]
    assert {key: case["rows"] for key, case in found["load_cases"].items()} == Counter(belts)


def test_the_headline_is_measured_on_the_holdout(outcome):
    metrics = outcome[0].metrics
    assert metrics["measured_on"] == "holdout"
    for name in ("rmse", "baseline_rmse", "r2"):
        assert metrics[name] == metrics["holdout"][name]


def test_the_share_of_wrong_labels_is_of_the_planted_size(outcome):
    assert 0.05 <= outcome[0].metrics["wrong_label_share"] <= 0.2  # 20 of 200


def test_the_holdout_decides_nothing():
    rows, y = make_rows(40)
    validation = make_rows(20, 1)
    runs = [
        run_valuation(
            FEATURES, rows, y, rows, validation, SHORT, holdout=(validation[0], sign * validation[1])
        )
        for sign in (1.0, -1.0)
    ]
    assert runs[0].surrogate.to_bytes() == runs[1].surrogate.to_bytes()
    assert runs[0].metrics["serving"] == runs[1].metrics["serving"]
    assert runs[0].metrics["holdout"]["rmse"] < runs[1].metrics["holdout"]["rmse"]


def test_progress_never_falls_and_ends_at_one(outcome):
    fractions = [fraction for fraction, _ in outcome[1]]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {message.split(":")[0] for _, message in outcome[1][:-1]} == {"data values", "plain", "weighted"}


SHORT = LossValConfig(epochs=10, surrogate_epochs=20, members=4)


def test_without_labelled_validation_the_trusted_rows_choose():
    rows, y = make_rows(40)
    for validation in (None, ([], np.array([]))):
        metrics = run_valuation(FEATURES, rows, y, make_rows(20, 1)[0], validation, SHORT).metrics
        assert metrics["validation"] == {}
        assert metrics["holdout"] is None
        assert set(metrics["out_of_fold"]) == set(metrics["trusted_rmse"]) == {"in_run", "plain", "weighted"}
        assert metrics["serving"] == min(metrics["trusted_rmse"], key=metrics["trusted_rmse"].get)
        assert "out of fold on the trusted training rows" in metrics["serving_reason"]
        assert metrics["measured_on"] == "out_of_fold"
        assert metrics["r2"] == metrics["out_of_fold"][metrics["serving"]]["cop"]


def test_rows_that_stand_out_of_the_plain_surrogate_are_not_trusted():
    y = np.random.default_rng(0).normal(size=200)
    y[:9] = [50.0, -50.0, 40.0, -40.0, 0.0, 0.1, -0.1, 1.0, -1.0]
    trusted = trusted_rows(Residuals(y, np.zeros(200), np.zeros(200)))
    assert trusted[:9].tolist() == [False] * 4 + [True] * 5
    assert trusted[9:].all()


def test_a_load_case_is_a_categorical_feature():
    rows, y = make_rows(40)
    for name in ("mass_kg", "speed"):
        with pytest.raises(LossValError, match=f"load case '{name}' .* use one of belt"):
            run_valuation(FEATURES, rows, y, rows, config=SHORT, load_case=name)


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
        ({"holdout": (make_rows(5)[0], np.zeros(4))}, "5 holdout rows need"),
        ({"config": LossValConfig(task="classification")}, "crashscout value"),
        ({"target_rows": [{"mass_kg": "heavy"}]}, "row 0: feature 'mass_kg'"),
    ],
)
def test_impossible_runs_are_refused_with_a_remedy(change, message):
    rows, y = make_rows(40)
    arguments = {"features": FEATURES, "train_rows": rows, "y": y, "target_rows": rows, "config": SHORT}
    with pytest.raises(LossValError, match=message):
        run_valuation(**(arguments | change))


@pytest.mark.parametrize("mode", ["normalized", "published"])
def test_a_run_that_was_interrupted_stores_the_same_bytes(mode, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SAVE_SECONDS", 0.0)
    rows, y = make_rows(40)
    config = LossValConfig(mode=mode, epochs=10, surrogate_epochs=20, members=4)
    states = []
    whole = run_valuation(FEATURES, rows, y, rows, None, config, checkpoint=states.append)
    assert len(states) == 10
    resumed = run_valuation(FEATURES, rows, y, rows, None, config, resume=states[5])
    assert resumed.result.values.tobytes() == whole.result.values.tobytes()
    assert resumed.surrogate.to_bytes() == whole.surrogate.to_bytes()
    assert resumed.metrics == whole.metrics
    assert ("in_run" in whole.metrics["out_of_fold"]) is (mode == "normalized")
