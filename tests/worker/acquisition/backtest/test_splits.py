from __future__ import annotations

import numpy as np
import pytest

from tests.worker.acquisition.backtest.conftest import small_config, small_data
from worker.acquisition.backtest.splits import draw_split, shortage


def split_of(data, seed=0, **changes):
    return draw_split(data, small_config(**changes), np.random.default_rng(seed))


def test_every_row_has_one_part(rng):
    data = small_data()
    split = split_of(data)
    parts = np.concatenate([split.initial, split.pool, split.holdout])
    assert sorted(parts) == list(range(80))
    assert (len(split.initial), len(split.holdout)) == (20, 16)
    np.testing.assert_array_equal(split.target, data.X[split.holdout])
    assert not np.array_equal(split.holdout, split_of(data, seed=1).holdout)


def test_groups_are_held_out_whole():
    groups = np.repeat(np.arange(20), 4)
    for seed in range(10):
        split = split_of(small_data(group=groups), seed)
        assert not set(groups[split.holdout]) & set(groups[np.r_[split.initial, split.pool]])
        assert 16 <= len(split.holdout) <= 24


def test_a_group_that_would_be_most_of_the_holdout_stays_in_training():
    groups = np.r_[np.zeros(40, dtype=int), np.arange(1, 41)]
    for seed in range(10):
        assert 0 not in groups[split_of(small_data(group=groups), seed).holdout]


def test_the_holdout_looks_like_the_target_domain_and_so_does_what_can_be_bought():
    """A third of the labelled rows lie where the target domain is."""
    X = np.random.default_rng(1).normal(size=(200, 4))
    X[:, 0] = np.where(np.arange(200) < 66, 4.0, -4.0) + X[:, 0]
    target = X[:30] + 0.1
    split = split_of(small_data(200, X=X, target=target))
    near = X[:, 0] > 0
    assert len(split.holdout) == 40
    assert near[split.holdout].sum() >= 33
    assert near[split.pool].sum() >= 20
    np.testing.assert_array_equal(split.target, target)
    assert near[split_of(small_data(200, X=X)).holdout].sum() < 25


def test_rows_that_are_always_held_out_keep_their_groups_from_training():
    groups = np.repeat(np.arange(40), 2)
    holdout = np.zeros(80, dtype=bool)
    holdout[:20:2] = True
    split = split_of(small_data(group=groups, holdout=holdout))
    assert split.holdout.tolist() == list(range(0, 20, 2))
    assert sorted(np.r_[split.initial, split.pool]) == list(range(20, 80))


def test_only_rows_of_the_target_source_are_measured_on():
    source = np.arange(80) % 2
    split = split_of(small_data(source=source, target_source=1))
    assert len(split.holdout) < 16
    assert set(source[split.holdout]) == {1}


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        ({"n": 30}, {}, "needs about 55 labelled rows; there are 30: label about 25 more"),
        ({"n": 54}, {}, "label about 1 more, or lower initial, rounds or batch_size"),
        ({"n": 80}, {"holdout_fraction": 0.1}, "needs about 100 labelled rows"),
        ({"group": np.repeat(np.arange(4), 20)}, {}, "needs 5 groups to hold out some of them; there are 4"),
        ({}, {"initial": 60}, "starts with 60 rows, buys 16 more with some choice"),
        ({"holdout": np.arange(80) < 6}, {}, "about 84 labelled rows; there are 80: label about 4 more"),
        ({"holdout": np.arange(80) < 60}, {}, "label about 24 more"),
    ],
)
def test_what_is_needed_is_said(data, changes, message):
    made, config = small_data(**data), small_config(**changes)
    assert message in shortage(made, config, [draw_split(made, config, np.random.default_rng(0))])


def test_so_many_rows_are_enough():
    made, config = small_data(55), small_config()
    assert shortage(made, config, [draw_split(made, config, np.random.default_rng(0))]) == ""
