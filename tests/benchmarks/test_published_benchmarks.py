"""The benchmarks of mode `published` run without files and say what they found."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from benchmarks import lossval_speed, published_targets
from benchmarks.geomloss_loop import train_on_geomloss
from benchmarks.report import describe_machine, write_results
from worker.lossval.published import PublishedSettings, train_published
from worker.lossval.result import spearman


def test_a_target_is_compared_with_two_standard_errors(monkeypatch):
    monkeypatch.setitem(published_targets.TARGETS, "friedman1", {1: (0.99, 0.0)})
    row = published_targets.measure("friedman1", epochs=1, repetitions=2, data=None)
    assert len(row["f1"]) == 2
    assert row["f1_mean"] == pytest.approx(np.mean(row["f1"]))
    assert row["f1_se"] == pytest.approx(abs(row["f1"][0] - row["f1"][1]) / 2)
    assert 0.5 < row["auc_mean"] < 1  # better than chance after one epoch
    assert (row["within"], row["within_both"]) == (False, False)
    assert published_targets.line(row).endswith("apart")


def test_a_folder_that_is_not_there_is_one_line_and_exit_2(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["published_targets", "--data", str(tmp_path / "none")])
    assert published_targets.main() == 2
    assert "--data" in capsys.readouterr().err


def test_runs_take_turns_and_the_first_round_is_not_counted():
    order = []
    seconds = lossval_speed.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_ratios_are_per_member_and_geomloss_is_one():
    median = {"plain": 1.0, "published": 4.0, "plain_normalized": 2.0, "normalized": 2.2, "geomloss": 6.0}
    found = lossval_speed.ratios(median, members=8)
    assert found == pytest.approx(
        {"published_to_plain": 4.0, "normalized_to_plain": 1.1, "geomloss_to_published_per_member": 12.0}
    )
    del median["geomloss"]
    assert "geomloss_to_published_per_member" not in lossval_speed.ratios(median, members=8)


def test_the_floor_is_the_arithmetic_over_the_rate(monkeypatch):
    monkeypatch.setattr(
        lossval_speed, "matrix_rate", lambda dtype: {torch.float32: 2e9, torch.float64: 1e9}[dtype]
    )
    found = lossval_speed.floor(epochs=1, members=2, seconds=10.0)
    expected = found["network_operations"] / 2e9 + found["transport_operations"] / 1e9
    assert found["floor_seconds"] == pytest.approx(expected)
    assert found["times_the_floor"] == pytest.approx(10.0 / expected)


def test_results_are_json(tmp_path):
    write_results(tmp_path / "results.json", {"machine": describe_machine()})
    assert '"torch"' in (tmp_path / "results.json").read_text()


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_our_loop_and_the_one_on_geomloss_value_alike(task):
    """Different initial weights and orders, so alike and not equal: as two seeds of either are."""
    pytest.importorskip("geomloss", reason="geomloss is not installed (extra `benchmarks`)")
    X, y, target = lossval_speed.make_data(200)
    y = (y > 0).astype(float) if task == "classification" else y
    reference = [train_on_geomloss(X, y, target, task=task, epochs=4, seed=seed) for seed in range(3)]
    settings = PublishedSettings(task=task, epochs=4, members=3)
    ours = train_published(X, y, target, settings=settings).member_weights
    between = np.mean([spearman(mine, other) for mine in ours for other in reference])
    within = np.mean([spearman(reference[i], reference[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    assert between > within - 0.1
    assert ours.mean() == pytest.approx(np.mean(reference), abs=0.02)
    assert ours.std(axis=1).mean() == pytest.approx(np.std(reference, axis=1).mean(), rel=0.15)
