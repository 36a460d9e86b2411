"""The serving surrogate: prediction, uncertainty, storage."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from worker.lossval.config import LossValConfig
from worker.lossval.encoding import FeatureEncoder, FeatureSpec
from worker.lossval.errors import LossValError
from worker.lossval.fitting import fit_surrogate
from worker.lossval.network import EnsembleNetwork
from worker.lossval.surrogate import (
    FORMAT,
    Surrogate,
    SurrogateFormatError,
    TargetScaling,
    residual_noise,
)

FEATURES = [FeatureSpec("impact_speed_kmh", "continuous"), FeatureSpec("belt", "categorical", ("a", "b"))]


def make_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        {"impact_speed_kmh": float(speed), "belt": str(belt)}
        for speed, belt in zip(rng.uniform(40, 60, n), rng.choice(["a", "b"], n), strict=True)
    ]
    y = np.array([26 + 0.4 * (r["impact_speed_kmh"] - 50) + 2 * (r["belt"] == "b") for r in rows])
    return rows, y + 0.5 * rng.normal(size=n)


@pytest.fixture(scope="module")
def surrogate():
    rows, y = make_rows(150)
    encoder = FeatureEncoder.fit(FEATURES, rows)
    return fit_surrogate(encoder, rows, y, config=LossValConfig(members=4)).surrogate


def test_predicts_in_target_units_with_a_fitting_uncertainty(surrogate):
    rows, y = make_rows(400, seed=1)
    mean, std = surrogate.predict(rows)
    errors = np.abs(mean - y)
    assert errors.mean() < 0.25 * np.abs(y - y.mean()).mean() + 0.4
    assert 0.8 < (errors < 1.645 * std).mean() <= 0.98
    assert 0.4 < surrogate.noise_sd < 0.8  # planted: 0.5
    assert 0.4 < surrogate.out_of_fold_rmse < 0.8


def test_uncertainty_joins_spread_and_noise():
    rows, _ = make_rows(20)
    encoder = FeatureEncoder.fit(FEATURES, rows)
    network = EnsembleNetwork(3, 3, (4,), 1, generator=torch.Generator().manual_seed(0))
    outputs = network(torch.from_numpy(encoder.transform(rows)).float()).detach().squeeze(-1).double().numpy()
    mean, std = Surrogate(encoder, network, TargetScaling(26.0, 4.0), 3.0, 3.0).predict(rows)
    np.testing.assert_allclose(mean, 26 + 4 * outputs.mean(axis=0))
    np.testing.assert_allclose(std**2, 16 * outputs.var(axis=0, ddof=1) + 9)


def test_residual_noise_is_the_error_that_the_spread_does_not_explain():
    outputs = np.array([[0.0, 0.0], [2.0, 4.0]])  # variances 2 and 8
    assert residual_noise(np.array([3.0, 9.0]), outputs) == pytest.approx(1.0)
    assert residual_noise(np.array([3.0, 99.0]), outputs, np.array([1.0, 0.0])) == pytest.approx(1.0)
    assert residual_noise(np.array([0.0, 0.0]), outputs) == 0.0


def test_validation_rows_decide_when_to_stop():
    rows, y = make_rows(40)
    encoder = FeatureEncoder.fit(FEATURES, rows)
    config = LossValConfig(members=2, surrogate_epochs=200, patience=3, weight_decay=0.0)
    seen = {}
    for name, validation in (("alike", make_rows(30, 1)), ("contrary", (rows, -y + 2 * y.mean()))):
        steps = []
        fit_surrogate(
            encoder, rows, y, validation=validation, config=config, progress=lambda f, _, s=steps: s.append(f)
        )
        seen[name] = len(steps)
    assert seen["contrary"] == 4  # the first evaluation is the best of all; three more show it
    assert seen["alike"] > 4


def test_weights_decide_whom_the_surrogate_believes():
    rows = [{"impact_speed_kmh": 50.0, "belt": belt} for belt in ("a", "b")] * 20
    y = np.array([20.0, 30.0] * 10 + [24.0, 34.0] * 10)
    encoder = FeatureEncoder.fit(FEATURES, rows)
    first = np.repeat([1.0, 1e-6], 20)
    believed, _ = fit_surrogate(encoder, rows, y, weights=first).surrogate.predict(rows[:2])
    np.testing.assert_allclose(believed, [20.0, 30.0], atol=0.5)


def test_bytes_hold_everything_and_are_deterministic(surrogate):
    data = surrogate.to_bytes()
    again = Surrogate.from_bytes(data)
    rows, _ = make_rows(50, seed=2)
    for method in ("predict", "interval"):
        for one, other in zip(getattr(surrogate, method)(rows), getattr(again, method)(rows), strict=True):
            assert one.tobytes() == other.tobytes()
    assert again.to_bytes() == data
    assert (again.noise_sd, again.out_of_fold_rmse) == (surrogate.noise_sd, surrogate.out_of_fold_rmse)
    assert again.encoder.features == surrogate.encoder.features


def test_same_seed_gives_the_same_bytes():
    rows, y = make_rows(60)
    encoder = FeatureEncoder.fit(FEATURES, rows)
    config = LossValConfig(members=2, surrogate_epochs=30, minibatch_size=25)
    one, same, other = (
        fit_surrogate(encoder, rows, y, config=config, seed=s).surrogate.to_bytes() for s in (5, 5, 6)
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a surrogate at all",
        b"\x80\x05K\x01.",  # a pickle
        safetensors.torch.save({"weight": torch.ones(2)}),
        safetensors.torch.save({"weight": torch.ones(2)}, {FORMAT: "[]"}),
    ],
)
def test_foreign_bytes_are_refused(data):
    with pytest.raises(SurrogateFormatError, match="no Crashscout surrogate"):
        Surrogate.from_bytes(data)


def test_truncated_bytes_are_refused(surrogate):
    with pytest.raises(SurrogateFormatError, match="damaged"):
        Surrogate.from_bytes(surrogate.to_bytes()[:-100])


def _rewritten(surrogate, **changes):
    data = surrogate.to_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][FORMAT])
    return safetensors.torch.save(safetensors.torch.load(data), {FORMAT: json.dumps(metadata | changes)})


def test_other_versions_and_inconsistent_metadata_are_refused(surrogate):
    with pytest.raises(SurrogateFormatError, match="version 3"):
        Surrogate.from_bytes(_rewritten(surrogate, version=3))
    changes = ({"widths": [3, 5, 1]}, {"widths": None}, {"encoder": {}}, {"target": {}}, {"calibration": {}})
    for change in changes:
        with pytest.raises(SurrogateFormatError, match="damaged"):
            Surrogate.from_bytes(_rewritten(surrogate, **change))


def test_calibration_out_of_order_is_refused(surrogate):
    for scores in ([2.0, 1.0], [1.0, math.nan], []):
        spoiled = replace(
            surrogate.calibration, scores=np.array(scores), levels=np.array([0.5, 0.9][: len(scores)])
        )
        with pytest.raises(SurrogateFormatError, match="damaged"):
            Surrogate.from_bytes(replace(surrogate, calibration=spoiled).to_bytes())


def test_version_1_still_predicts_and_says_how_to_get_intervals(surrogate):
    rows, _ = make_rows(5)
    data = replace(surrogate, calibration=None).to_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][FORMAT])
    del metadata["calibration"]
    old = safetensors.torch.save(
        safetensors.torch.load(data), {FORMAT: json.dumps(metadata | {"version": 1})}
    )
    again = Surrogate.from_bytes(old)
    assert again.predict(rows)[0].tobytes() == surrogate.predict(rows)[0].tobytes()
    with pytest.raises(LossValError, match="run the valuation again"):
        again.interval(rows)


def test_interval_lies_around_the_mean_and_widens_with_level_and_disagreement(surrogate):
    rows, _ = make_rows(30, seed=3)
    far = [{"impact_speed_kmh": 90.0, "belt": "a"}]
    mean, _ = surrogate.predict(rows)
    widths = []
    for level in (0.5, 0.9, 0.95):
        lower, upper = surrogate.interval(rows, level)
        np.testing.assert_allclose((lower + upper) / 2, mean)
        widths.append(upper - lower)
    assert (np.diff(widths, axis=0) > 0).all()
    lower, upper = surrogate.interval(far)
    assert upper[0] - lower[0] > 1.1 * widths[1].max()


@pytest.mark.parametrize(
    ("level", "message"), [(0.0, "between 0 and 1"), (1.0, "between 0"), (0.999, "more labelled")]
)
def test_levels_that_no_interval_can_have_are_refused(surrogate, level, message):
    with pytest.raises(LossValError, match=message):
        surrogate.interval(make_rows(1)[0], level)
