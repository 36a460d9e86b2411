from __future__ import annotations

import numpy as np
import pytest

from worker.acquisition.backtest.learner import TrainingSet, train_ensembles

SETTINGS = {"members": 4, "hidden": (16, 16), "steps": 200, "seed": 3}


def rows(n, rng):
    X = rng.normal(size=(n, 3))
    return TrainingSet(X, 30 + 4 * np.sin(X[:, 0]) + 2 * X[:, 1])


def test_it_learns_in_the_units_of_the_target(rng):
    train, test = rows(120, rng), rows(200, rng)
    (learner,) = train_ensembles([train], **SETTINGS)
    predicted, spread = learner.predict(test.X)
    assert np.sqrt(np.mean((predicted - test.y) ** 2)) < 0.3 * test.y.std()
    assert (spread > 0).all()
    assert (learner.target.mean, learner.target.sd) == pytest.approx((train.y.mean(), train.y.std()))


def test_a_set_is_trained_as_if_it_were_alone(rng):
    sets = [rows(40, rng), rows(40, rng), rows(40, rng)]
    X = rng.normal(size=(10, 3))
    together = train_ensembles(sets, **SETTINGS)
    for learner, one in zip(together, sets, strict=True):
        (alone,) = train_ensembles([one], **SETTINGS)
        np.testing.assert_allclose(learner.predict(X)[0], alone.predict(X)[0], rtol=1e-3)


def test_equal_sets_give_equal_networks_and_the_same_seed_the_same_bytes(rng):
    one, X = rows(30, rng), rng.normal(size=(10, 3))
    first, second = train_ensembles([one, one], **SETTINGS)
    assert first.predict(X)[0].tobytes() == second.predict(X)[0].tobytes()
    again, _ = train_ensembles([one, one], **SETTINGS)
    assert again.predict(X)[0].tobytes() == first.predict(X)[0].tobytes()
    other, _ = train_ensembles([one, one], **SETTINGS | {"seed": 4})
    assert other.predict(X)[0].tobytes() != first.predict(X)[0].tobytes()


def test_a_shorter_set_is_not_changed_by_its_filling(rng):
    short, long = rows(30, rng), rows(60, rng)
    learner, _ = train_ensembles([short, long], **SETTINGS)
    shifted = TrainingSet(long.X + 5, long.y + 100)
    same, _ = train_ensembles([short, shifted], **SETTINGS)
    X = rng.normal(size=(10, 3))
    np.testing.assert_allclose(learner.predict(X)[0], same.predict(X)[0], rtol=1e-4)


def test_a_row_of_weight_zero_is_no_row(rng):
    clean = rows(60, rng)
    wrong = clean.y.copy()
    wrong[:6] += 50
    weights = np.r_[np.zeros(6), np.ones(54)]
    (trusting,) = train_ensembles([TrainingSet(clean.X, wrong)], **SETTINGS)
    (wary,) = train_ensembles([TrainingSet(clean.X, wrong, weights)], **SETTINGS)
    test = rows(200, rng)
    errors = [np.abs(one.predict(test.X)[0] - test.y).mean() for one in (trusting, wary)]
    assert errors[1] < 0.5 * errors[0]


def test_equal_labels_are_predicted(rng):
    (learner,) = train_ensembles([TrainingSet(rng.normal(size=(20, 3)), np.full(20, 7.0))], **SETTINGS)
    np.testing.assert_allclose(learner.predict(rng.normal(size=(5, 3)))[0], 7.0, atol=0.2)
