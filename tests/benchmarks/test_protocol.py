"""The protocol: splits, planted noise and scores on cases that can be counted by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.protocol import (
    GENERATED_DATASETS,
    BenchmarkError,
    auc,
    draw,
    f1_of_lowest_cluster,
    load_dataset,
)

SHARED = Path(__file__).parents[3] / "shared/data"
needs_files = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the data sets are not beside the repository (../shared/data)"
)


@pytest.fixture(scope="module")
def friedman():
    return load_dataset("friedman1")


@pytest.mark.parametrize("name", GENERATED_DATASETS)
def test_generated_data_are_standardised(name):
    dataset = load_dataset(name)
    np.testing.assert_allclose(dataset.X.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(dataset.X.std(axis=0), 1, atol=1e-6)
    if dataset.task == "classification":
        assert np.unique(dataset.y).tolist() == [0.0, 1.0]
    else:
        assert dataset.y.std() == pytest.approx(1, abs=1e-6)


def test_friedman_and_planes_depend_on_the_features_that_their_rules_name():
    for name, inert in (("friedman1", [5, 6, 7, 8, 9]), ("two_planes", [7, 8, 9])):
        dataset = load_dataset(name)
        correlation = np.abs(dataset.X.T @ dataset.y) / len(dataset.y)
        assert correlation[inert].max() < 0.05
        assert correlation.max() > 0.4


@needs_files
@pytest.mark.parametrize(
    ("name", "shape", "task"),
    [
        ("2dplanes", (4000, 10), "classification"),
        ("fried", (4000, 10), "classification"),
        ("kin8nm", (8192, 8), "regression"),
        ("white_wine", (4898, 11), "regression"),
    ],
)
def test_files_are_read(name, shape, task):
    dataset = load_dataset(name)
    assert (dataset.X.shape, dataset.task) == (shape, task)


def test_a_draw_splits_disjoint_rows_and_repeats_with_its_seed(friedman):
    first, second, other = (draw(friedman, "label", 0.2, seed) for seed in (3, 3, 4))
    assert (len(first.X_train), len(first.X_val), len(first.X_test)) == (1000, 100, 3000)
    rows = np.concatenate([first.X_train, first.X_val, first.X_test])
    assert len(np.unique(rows, axis=0)) == 4100
    assert first.y_train.tobytes() == second.y_train.tobytes()
    assert first.y_train.tobytes() != other.y_train.tobytes()


@pytest.mark.parametrize(("noise", "label"), [("label", 200), ("feature", 0), ("mixed", 100)])
def test_noise_touches_the_flagged_rows_only(friedman, noise, label):
    problem = draw(friedman, noise, 0.2, 1)
    known = {x.tobytes(): y for x, y in zip(friedman.X, friedman.y, strict=True)}
    changed_X = np.array([x.tobytes() not in known for x in problem.X_train])
    changed_y = np.array(
        [known.get(x.tobytes(), y) != y for x, y in zip(problem.X_train, problem.y_train, strict=True)]
    )
    np.testing.assert_array_equal(changed_y, problem.corrupt_label)
    np.testing.assert_array_equal(changed_X, problem.corrupt & ~problem.corrupt_label)
    assert (problem.corrupt.sum(), problem.corrupt_label.sum()) == (200, label)
    assert (
        sum(x.tobytes() not in known for x in problem.X_val)
        == {"label": 0, "feature": 20, "mixed": 10}[noise]
    )
    assert all(x.tobytes() in known for x in problem.X_test)


def test_a_noisy_class_is_another_class():
    dataset = load_dataset("two_planes_class")
    clean = {x.tobytes(): y for x, y in zip(dataset.X, dataset.y, strict=True)}
    assert len(clean) < len(dataset.X)  # rows repeat with differing classes: count the flips instead
    problem = draw(dataset, "label", 0.1, 0)
    assert problem.corrupt.sum() == 100
    assert np.unique(problem.y_train).tolist() == [0.0, 1.0]


def test_label_noise_draws_each_distinct_level_equally_often(friedman):
    levels = type(friedman)(
        "levels", friedman.X, np.repeat([0.0, 1.0, 2.0, 9.0], [7952, 80, 80, 80]), "regression"
    )
    drawn = np.concatenate(
        [problem.y_train[problem.corrupt] for problem in (draw(levels, "label", 0.2, s) for s in range(10))]
    )
    # Nearly all rows are at 0, so the noise goes to the three others in equal parts.
    share = [(drawn == level).mean() for level in (1.0, 2.0, 9.0)]
    np.testing.assert_allclose(share, 1 / 3, atol=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_two_means_are_exact(seed):
    rng = np.random.default_rng(seed)
    values, corrupt = rng.normal(size=12), rng.random(12) < 0.4
    corrupt[0] = True

    def within(split):
        ordered = np.sort(values)
        return sum(part.var() * len(part) for part in (ordered[:split], ordered[split:]))

    best = min(range(1, 12), key=within)
    called = set(np.argsort(values)[:best])
    truth = set(np.flatnonzero(corrupt))
    expected = 2 * len(called & truth) / (len(called) + len(truth))
    assert f1_of_lowest_cluster(values, corrupt) == pytest.approx(expected)


def test_f1_does_not_depend_on_a_shift_of_the_values():
    values = np.array([0.0, 0.1, 5.0, 5.1, 5.2])
    corrupt = np.array([True, False, True, False, False])
    assert f1_of_lowest_cluster(values, corrupt) == f1_of_lowest_cluster(values + 1e6, corrupt) == 0.5


def test_auc_counts_pairs_and_ties_half():
    values, corrupt = np.array([1.0, 2.0, 2.0, 3.0, 0.0]), np.array([True, True, False, False, False])
    pairs = [
        (values[i] < values[j]) + 0.5 * (values[i] == values[j])
        for i, j in itertools.product(np.flatnonzero(corrupt), np.flatnonzero(~corrupt))
    ]
    assert auc(values, corrupt) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(
    "call",
    [
        lambda d: load_dataset("iris"),
        lambda d: load_dataset("fried", Path("no-such-folder")),
        lambda d: draw(d, "colour", 0.2, 0),
        lambda d: draw(d, "label", 0.0, 0),
        lambda d: draw(type(d)("few", d.X[:1100], d.y[:1100], d.task), "label", 0.1, 0),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(friedman, call):
    with pytest.raises(BenchmarkError, match=r"choose from|--data|noise is one of|more than"):
        call(friedman)
