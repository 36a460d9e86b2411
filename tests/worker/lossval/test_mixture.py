"""The three explanations: closed forms, recovery of planted shares, invariants."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde, norm

from worker.lossval.mixture import (
    ClassProbabilities,
    Mixture,
    Residuals,
    density_of_values,
    scaled_isolation,
)


def planted(n=2000, label_share=0.1, feature_share=0.1, seed=0):
    """Residuals and isolations drawn from the model itself."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, n, p=[1 - label_share - feature_share, label_share, feature_share])
    sd = np.array([0.2, 1.5, 0.6])[kind]
    residual = sd * rng.normal(size=n)
    isolation = np.where(kind == 2, 6.0 + 2.0 * rng.normal(size=n), rng.normal(size=n))
    return Residuals(residual, np.full(n, 0.2)), isolation, kind


def test_probabilities_are_bayes_rule_by_hand():
    mixture = Mixture((0.7, 0.2, 0.1), 0.5, (0.0, 1.0), (5.0, 2.0))
    found = mixture.probabilities(Residuals(np.array([0.9]), np.array([0.25])), np.array([2.0]))[:, 0]
    joint = np.array([
        0.7 * norm.pdf(0.9, 0, 0.5) * norm.pdf(2.0),
        0.2 * 0.25 * norm.pdf(2.0),
        0.1 * norm.pdf(0.9, 0, 1.5) * norm.pdf(2.0, 5, 2),
    ])  # fmt: skip
    np.testing.assert_allclose(found, joint / joint.sum(), rtol=1e-12)


def test_a_binary_class_is_bayes_rule_for_a_flip():
    q = np.array([0.9, 0.5, 0.02])
    sound, flipped, _ = Mixture((0.8, 0.2, 1e-300)).probabilities(ClassProbabilities(q, 2), np.zeros(3))
    np.testing.assert_allclose(sound, 0.8 * q / (0.8 * q + 0.2 * (1 - q)), rtol=1e-12)
    np.testing.assert_allclose(sound + flipped, 1.0)


def test_planted_shares_and_scales_are_found():
    evidence, isolation, kind = planted()
    mixture = Mixture.start(evidence).fit(evidence, isolation, 100)
    np.testing.assert_allclose(mixture.shares, np.bincount(kind) / len(kind), atol=0.03)
    assert mixture.residual_sd == pytest.approx(0.2, rel=0.05)
    assert mixture.wrong[0] == pytest.approx(6.0, abs=0.5)
    explained = mixture.probabilities(evidence, isolation).argmax(axis=0)
    assert (explained[kind == 2] == 2).mean() > 0.9
    assert (explained[kind == 0] == 0).mean() > 0.97


def test_clean_data_are_hardly_suspected():
    evidence, isolation, _ = planted(label_share=0.0, feature_share=0.0)
    mixture = Mixture.start(evidence).fit(evidence, isolation, 100)
    assert (mixture.probabilities(evidence, isolation)[0] < 0.5).mean() < 0.005


def test_a_few_more_iterations_change_nothing_once_converged():
    evidence, isolation, _ = planted(n=400)
    mixture = Mixture.start(evidence).fit(evidence, isolation, 300)
    before, after = (
        m.probabilities(evidence, isolation) for m in (mixture, mixture.fit(evidence, isolation, 10))
    )
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_mixture_survives_json():
    evidence, isolation, _ = planted(n=100)
    mixture = Mixture.start(evidence).fit(evidence, isolation, 5)
    assert Mixture.from_dict(json.loads(json.dumps(asdict(mixture)))) == mixture


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-50, 1e4)), min_size=1, max_size=30),
    st.integers(0, 20),
)
def test_whatever_the_evidence_probabilities_are_finite_and_sum_to_one(pairs, iterations):
    residual, isolation = (np.array(column) for column in zip(*pairs, strict=True))
    evidence = Residuals(residual, np.full(len(pairs), 1e-3))
    mixture = Mixture.start(evidence).fit(evidence, isolation, iterations)
    p = mixture.probabilities(evidence, isolation)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=0), 1.0)


@given(st.floats(0.01, 10.0), st.floats(0.0, 10.0), st.floats(0.01, 5.0))
def test_a_larger_residual_is_never_more_sound(residual, isolation, more):
    mixture = Mixture((0.8, 0.1, 0.1), 0.4, (0.0, 1.0), (5.0, 2.0))
    evidence = Residuals(np.array([residual, residual + more]), np.full(2, 0.2))
    sound = mixture.probabilities(evidence, np.full(2, isolation))[0]
    assert sound[1] <= sound[0] + 1e-15


def test_density_of_distinct_values_is_that_of_scipy_and_blind_to_repetition():
    y = np.random.default_rng(1).normal(size=500)
    ours = density_of_values(y)
    np.testing.assert_allclose(ours, gaussian_kde(y, bw_method=1.06 * 500**-0.2)(y), rtol=0.05, atol=0.01)
    np.testing.assert_array_equal(density_of_values(np.repeat(y, 3))[::3], ours)
    assert np.isfinite(density_of_values(np.ones(4))).all()


@pytest.mark.parametrize("columns", [2, 4, 10])
def test_isolation_of_sound_features_becomes_normal(columns):
    shape = 3.0 * columns
    isolation = 5.0 + 0.3 * np.random.default_rng(2).gamma(shape, size=20_000)
    u = scaled_isolation(isolation, columns)
    assert np.quantile(u, [0.05, 0.5, 0.95, 0.999]) == pytest.approx(
        norm.ppf([0.05, 0.5, 0.95, 0.999]), abs=0.15
    )
    np.testing.assert_allclose(scaled_isolation(7.0 * isolation - 4.0, columns), u, rtol=1e-9, atol=1e-9)
    assert (np.diff(u[isolation.argsort()]) >= 0).all()


def test_equal_isolation_says_nothing():
    assert scaled_isolation(np.full(5, math.pi), 3).tolist() == [0.0] * 5
