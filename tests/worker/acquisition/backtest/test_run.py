"""The whole backtest, small."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.worker.acquisition.backtest.conftest import small_config, small_data
from worker.acquisition.backtest import BacktestConfig, BacktestData, BacktestReport, run_backtest
from worker.acquisition.errors import InvalidProblemError, UnknownStrategyError
from worker.acquisition.evidence import Verdict
from worker.lossval.encoding import FeatureSpec


class TestReport:
    def test_every_strategy_has_figures(self, played):
        _, report, _ = played
        assert [one.strategy for one in report.strategies] == ["variance_reduction", "lcmd", "as_bought"]
        for one in report.strategies:
            assert one.interval[0] < one.log_ratio < one.interval[1]
            assert one.bootstrap_interval[0] <= one.log_ratio <= one.bootstrap_interval[1]
            assert len(one.log_ratios) == 5
            assert one.log_ratio == pytest.approx(np.mean(one.log_ratios))
            assert [point.labels for point in one.curve] == [20, 28, 36]
            assert [point.acquisition_cost for point in one.curve] == [0, 8, 16]
            assert all(p.rmse < p.q95_error < p.max_error for p in one.curve)
        assert (report.labelled, report.holdout_rows, report.groups, report.repeats) == (80, 16, 80, 5)

    def test_all_start_from_the_same_networks(self, played):
        _, report, _ = played
        start = report.random_curve[0]
        assert all(one.curve[0].rmse == pytest.approx(start.rmse) for one in report.strategies)
        assert len({one.curve[2].rmse for one in report.strategies}) == 3

    def test_the_surrogate_learns(self, played):
        _, report, _ = played
        assert all(one.learns for one in report.strategies)
        assert report.random_curve[-1].rmse < report.random_curve[0].rmse

    def test_the_document_is_json_and_comes_back_whole(self, played):
        _, report, _ = played
        text = json.dumps(report.to_document(), allow_nan=False)
        assert BacktestReport.from_document(json.loads(text)) == report
        document = json.loads(text)
        assert document["verdict"] == report.verdict.value
        assert all("random picks" in one["sentence"] for one in document["strategies"])
        assert document["auto"]["strategy"] in {"variance_reduction", "lcmd"}
        assert document["configuration"]["initial"] == 20

    def test_a_foreign_document_is_refused(self, played):
        with pytest.raises(ValueError, match="run the backtest again"):
            BacktestReport.from_document(played[1].to_document() | {"version": 0})

    def test_progress_rises_to_one(self, played):
        shares = [share for share, _ in played[2]]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert "repeat 5 of 5" in {text for _, text in played[2]}


class TestReplay:
    def test_the_same_seed_gives_the_same_bytes(self, played):
        data, report, _ = played
        again = run_backtest(data, small_config())
        assert json.dumps(again.to_document()) == json.dumps(report.to_document())

    def test_a_strategy_does_not_depend_on_its_company(self, played):
        data, report, _ = played
        alone = run_backtest(data, small_config(strategies=("lcmd",)))
        for one, other in zip(alone.result("lcmd").curve, report.result("lcmd").curve, strict=True):
            assert one.rmse == pytest.approx(other.rmse, rel=1e-3)

    def test_what_is_known_of_a_held_out_label_changes_no_pick(self):
        """Held-out labels are measured on and nothing else: another value moves errors, never what was bought."""
        holdout = np.arange(80) < 16
        prices = np.random.default_rng(0).uniform(1, 2, 80)
        first = small_data(holdout=holdout, acquisition_cost=prices)
        y = first.y.copy()
        y[:16] += 5
        other = small_data(holdout=holdout, acquisition_cost=prices, y=y)
        reports = [run_backtest(data, small_config()) for data in (first, other)]
        spent = [[p.acquisition_cost for s in r.strategies for p in s.curve] for r in reports]
        assert spent[0] == spent[1]
        assert reports[1].random_curve[0].rmse > reports[0].random_curve[0].rmse + 1

    def test_a_budget_stops_who_cannot_pay(self):
        data = small_data(acquisition_cost=np.full(80, 10.0))
        report = run_backtest(data, small_config(budget=35.0))
        assert [point.labels for point in report.random_curve] == [20, 23, 26]
        assert [p.acquisition_cost for p in report.strategies[0].curve] == [0, 30, 60]
        idle = run_backtest(data, small_config(budget=5.0))
        assert [point.labels for point in idle.strategies[0].curve] == [20, 20, 20]
        assert [one.verdict for one in idle.strategies] == [Verdict.NOT_BETTER] * 2
        assert [one.log_ratio for one in idle.strategies] == [0.0, 0.0]

    def test_the_real_order_is_followed(self):
        """Bought from the useless end: only the first coordinate tells anything, and it came last."""
        rng = np.random.default_rng(2)
        X = rng.normal(size=(120, 2))
        X[:60, 0] = 0.0
        data = BacktestData(
            X=X, y=10 * X[:, 0] + 0.1 * rng.normal(size=120), acquisition_cost=np.ones(120),
            source=np.zeros(120, dtype=np.int64), bought_order=np.arange(120.0),
        )  # fmt: skip
        report = run_backtest(data, small_config(initial=12, strategies=("variance_reduction",)))
        assert report.result("as_bought").log_ratio > report.result("variance_reduction").log_ratio
        assert report.result("as_bought").log_ratio > 0

    def test_label_precision_by_lossval_reaches_the_strategies(self):
        data = small_data()
        y = data.y.copy()
        y[::5] += 15
        noisy = small_data(y=y)
        reports = [
            run_backtest(noisy, small_config(label_precision=one, strategies=("variance_reduction",)))
            for one in ("equal", "lossval")
        ]
        assert reports[0].random_curve == reports[1].random_curve
        assert reports[0].strategies[0].curve[0] == reports[1].strategies[0].curve[0]
        assert reports[0].strategies[0].curve[-1] != reports[1].strategies[0].curve[-1]

    def test_cancelling_passes_through(self):
        class CancelledError(Exception):
            pass

        def cancel(share, text):
            if share > 0:
                raise CancelledError

        with pytest.raises(CancelledError):
            run_backtest(small_data(), small_config(), progress=cancel)


class TestVerdicts:
    def test_nothing_is_better_where_nothing_can_be_learnt(self):
        for seed in range(2):
            rng = np.random.default_rng(seed)
            report = run_backtest(small_data(y=rng.permutation(small_data().y)), small_config(seed=seed))
            assert {one.verdict for one in report.strategies} <= {Verdict.NOT_BETTER, Verdict.WORSE}
            assert not any(one.learns for one in report.strategies)

    def test_too_few_rows_are_said_and_nothing_is_computed(self):
        report = run_backtest(small_data(30), small_config())
        assert report.verdict is Verdict.NOT_ENOUGH_DATA
        assert {one.verdict for one in report.strategies} == {Verdict.NOT_ENOUGH_DATA}
        assert "label about 25 more" in report.reason
        assert report.repeats == 0
        document = report.to_document()
        assert "label about 25 more" in document["strategies"][0]["sentence"]
        assert BacktestReport.from_document(json.loads(json.dumps(document))) == report


class TestInput:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"y": np.ones(80)}, "there is nothing to learn"),
            ({"y": np.ones(3)}, "expected \\(80,\\)"),
            ({"y": np.full(80, math.nan)}, "y is not finite in row 0"),
            ({"acquisition_cost": np.zeros(80)}, "declare what it cost"),
            ({"target": np.ones((3, 2))}, "target-domain rows with 4 columns"),
            ({"target": np.ones((0, 4))}, "target-domain rows"),
            ({"X": np.ones((0, 4))}, "give labelled rows"),
        ],
    )
    def test_wrong_data_is_named(self, changes, message):
        with pytest.raises(InvalidProblemError, match=message):
            small_data(**changes)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"initial": 5}, "initial is 5; choose 10 or more"),
            ({"repeats": 4}, "repeats is 4; choose 5 or more: fewer allow no verdict"),
            ({"rounds": 0}, "rounds is 0"),
            ({"holdout_fraction": 1.0}, "holdout_fraction is 1.0"),
            ({"budget": 0.0}, "budget is 0.0"),
            ({"label_precision": "best"}, "choose lossval or equal"),
            ({"strategies": ("lcmd", "lcmd")}, "each strategy once"),
            ({"strategies": ("auto",)}, "auto is what a backtest decides for"),
            ({"level": math.nan}, "level is nan"),
            ({"seed": -1}, "seed is -1"),
        ],
    )
    def test_a_wrong_setting_is_named(self, changes, message):
        with pytest.raises(InvalidProblemError, match=message):
            BacktestConfig(**changes)

    def test_an_unknown_strategy_is_named(self):
        with pytest.raises(UnknownStrategyError, match="oracle"):
            BacktestConfig(strategies=("oracle",))

    def test_rows_are_encoded_on_all_known_rows_and_groups_are_numbered(self):
        features = [FeatureSpec("speed", "continuous"), FeatureSpec("belt", "categorical")]
        rows = [{"speed": speed, "belt": "a"} for speed in (1.0, 2.0, 3.0)]
        data = BacktestData.from_rows(
            features, rows, [1.0, 2.0, 4.0], group=["x", "y", "x"], target_rows=[{"speed": 6.0, "belt": "b"}]
        )
        assert data.X.shape == (3, 3)
        assert data.target.shape == (1, 3)
        assert data.target[0, 2] == 1.0  # a belt of the target domain only has a column too
        assert np.r_[data.X[:, 0], data.target[:, 0]].mean() == pytest.approx(0.0)
        assert data.groups.tolist() == [0, 1, 0]
        assert data.acquisition_cost.tolist() == [1.0] * 3
