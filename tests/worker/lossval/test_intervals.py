"""Conformal quantiles against their closed form; wrong labels; coverage of data never seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worker.lossval.config import LossValConfig
from worker.lossval.encoding import FeatureEncoder, FeatureSpec
from worker.lossval.errors import LossValError
from worker.lossval.fitting import fit_surrogate
from worker.lossval.intervals import Residuals, calibrate, estimate_wrong_label_share
from worker.lossval.valuation import run_valuation


def residuals(errors, spread=0.0, y=None):
    errors = np.asarray(errors, dtype=np.float64)
    labels = np.zeros(len(errors)) if y is None else y
    return Residuals(labels, labels - errors, np.full(len(errors), float(spread)))


def test_quantile_is_the_finite_sample_one():
    found = calibrate(residuals(np.arange(1.0, 20.0)))  # 19 residuals
    for level in (0.05, 0.5, 0.9, 0.95):
        position = math.ceil(level * 20)
        assert found.quantile(level) * found.residual_sd == pytest.approx(position)


def test_a_level_beyond_n_over_n_plus_1_is_refused():
    found = calibrate(residuals(np.arange(1.0, 20.0)))
    with pytest.raises(LossValError, match=r"up to 0\.950"):
        found.quantile(0.951)
    for level in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(LossValError, match="between 0 and 1"):
            found.quantile(level)


def test_scores_are_residuals_in_units_of_spread_and_residual_sd():
    found = Residuals(np.array([1.0, 2.0, 4.0]), np.zeros(3), np.array([0.0, 3.0, 4.0]))
    assert found.residual_sd == pytest.approx(1.4826 * 2)
    np.testing.assert_allclose(found.scores, [1.0, 2.0, 4.0] / np.hypot([0.0, 3.0, 4.0], 1.4826 * 2))


def test_exact_predictions_give_intervals_of_no_width_but_finite():
    found = calibrate(residuals(np.zeros(30), y=np.linspace(10, 20, 30)))
    assert found.residual_sd > 0
    assert found.quantile(0.9) == 0.0


def _mixture(share, n=4000, noise=0.3, seed=0):
    """Labels that a surrogate explains up to `noise`, a share of them exchanged with other rows' labels."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    right = signal + noise * rng.normal(size=n)
    y = right.copy()
    wrong = rng.random(n) < share
    y[wrong] = rng.permutation(right)[wrong]
    return Residuals(y, signal, np.zeros(n))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_the_share_of_wrong_labels_is_found(share):
    assert estimate_wrong_label_share(_mixture(share), most=1.0) == pytest.approx(share, abs=0.03)


def test_the_share_is_never_above_what_stands_out_and_none_for_few_rows():
    assert estimate_wrong_label_share(_mixture(0.3), most=0.05) == 0.05
    assert estimate_wrong_label_share(_mixture(0.3, n=40), most=1.0) == 0.0


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_right_labels_are_covered_at_the_level_although_a_fifth_is_wrong(level):
    spoiled = _mixture(0.2)
    share = estimate_wrong_label_share(spoiled, most=1.0)
    found = calibrate(spoiled, share)
    half_width = found.quantile(level) * found.residual_sd
    covered = math.erf(half_width / 0.3 / math.sqrt(2))  # of normal noise of 0.3
    assert covered == pytest.approx(level, abs=0.025)
    if level >= 0.9:  # plain conformal prediction is far too wide there
        plain = calibrate(spoiled)
        assert plain.quantile(level) * plain.residual_sd > 1.8 * half_width


def test_levels_never_fall_and_stay_below_one():
    found = calibrate(_mixture(0.2), 0.2)
    assert (np.diff(found.levels) >= 0).all()
    assert found.levels[-1] < 1


def test_many_rows_are_thinned_without_moving_the_quantile():
    errors = np.random.default_rng(0).exponential(size=50_000)
    found = calibrate(residuals(errors))
    assert len(found.scores) <= 2000
    assert found.quantile(0.9) * found.residual_sd == pytest.approx(np.quantile(errors, 0.9), rel=5e-3)


FEATURES = [FeatureSpec(name, "continuous") for name in "abcd"]


def _rows(n, rng):
    X = rng.normal(size=(n, 4))
    y = 3 * X[:, 0] + 2 * np.sin(2 * X[:, 1]) + (0.5 + 0.25 * np.abs(X[:, 2])) * rng.normal(size=n)
    return [dict(zip("abcd", row.tolist(), strict=True)) for row in X], y


def _coverages(wrong_share, repetitions):
    """Coverage of 1,000 clean rows by nominal 90 % intervals of the serving surrogate, per repetition."""
    found = []
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        rows, y = _rows(300, rng)
        wrong = rng.choice(300, round(300 * wrong_share), replace=False)
        y[wrong] = rng.permutation(y)[: len(wrong)]
        target_rows, _ = _rows(60, rng)
        config = LossValConfig(hidden=(32, 32), epochs=60, surrogate_epochs=120)
        outcome = run_valuation(FEATURES, rows, y, target_rows, config=config, seed=seed)
        test_rows, truth = _rows(1000, rng)
        lower, upper = outcome.surrogate.interval(test_rows, 0.9)
        found.append(float(((lower <= truth) & (truth <= upper)).mean()))
    return np.array(found)


@pytest.mark.parametrize("wrong_share", [0.0, 0.1])
def test_nominal_90_percent_cover_87_to_93_of_clean_data_never_seen(wrong_share):
    coverages = _coverages(wrong_share, repetitions=6)
    # One repetition calibrates on 300 rows: its own standard deviation is sqrt(0.9 * 0.1 / 300) = 1.7 %.
    assert 0.87 <= coverages.mean() <= 0.93
    assert coverages.min() > 0.9 - 5 * math.sqrt(0.9 * 0.1 / 300)


def test_out_of_fold_residuals_are_those_of_members_that_did_not_train_on_the_row():
    rng = np.random.default_rng(3)
    rows, y = _rows(60, rng)
    y[7] += 100.0
    encoder = FeatureEncoder.fit(FEATURES, rows)
    config = LossValConfig(members=6, surrogate_epochs=300, patience=1000, weight_decay=0.0)
    found = fit_surrogate(encoder, rows, y, config=config).residuals
    np.testing.assert_allclose(found.y, y)
    assert abs(found.y[7] - found.predicted[7]) > 80  # a member that trained on it would have followed
