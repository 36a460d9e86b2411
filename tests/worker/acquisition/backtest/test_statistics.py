"""What repeats allow to say, against closed forms, hand-drawn curves and simulated repeats."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worker.acquisition.backtest.replay import Standing
from worker.acquisition.backtest.statistics import (
    Curves,
    bootstrap_interval,
    corrected_interval,
    log_ratios,
    resamples,
    row_variance,
    saved_at_equal_error,
    saving,
    verdict_of,
)
from worker.acquisition.evidence import Verdict


def curves(errors, *, price=1.0, batch=10):
    """Curves of (J, 1 + rounds) errors; a batch costs batch * price."""
    return Curves.of(
        [
            [Standing(20 + batch * i, batch * i * price, e, 2 * e, 3 * e, 1.0) for i, e in enumerate(course)]
            for course in errors
        ]
    )


class TestLogRatio:
    def test_at_equal_prices_it_is_the_mean_over_the_rounds(self):
        own, random = curves([[1.0, 0.8, 0.4]]), curves([[1.0, 0.9, 0.8]])
        expected = (math.log(0.8 / 0.9) + math.log(0.4 / 0.8)) / 2
        assert log_ratios(own, random) == pytest.approx([expected])
        assert log_ratios(random, own) == pytest.approx([-expected])

    def test_at_other_prices_it_is_taken_at_equal_money(self):
        # The same errors for a tenth of the money: by then random picks have come down by a tenth of their way.
        own, random = curves([[1.0, 0.5]], price=0.1), curves([[1.0, 0.5]], price=1.0)
        assert log_ratios(own, random) == pytest.approx([0.9 * math.log(0.5)])

    def test_who_buys_nothing_is_as_good_as_random(self):
        own = curves([[1.0, 1.0]], batch=0)
        assert log_ratios(own, curves([[1.0, 0.5]])) == pytest.approx([0.0])


class TestInterval:
    def test_the_closed_form(self):
        ratios = np.array([-0.3, -0.1, -0.2, -0.4, 0.0])  # mean -0.2, S^2 = 0.025
        low, high = corrected_interval(ratios, level=0.95, strategies=1, row_variance=0.003)
        half = 2.7764451051977987 * math.sqrt(0.025 / 5 + 0.003)
        assert (low, high) == pytest.approx((-0.2 - half, -0.2 + half))

    def test_more_strategies_and_uncertain_rows_widen_it(self, rng):
        ratios = rng.normal(size=10)

        def width(**settings):
            low, high = corrected_interval(
                ratios, **{"level": 0.95, "strategies": 1, "row_variance": 0.1} | settings
            )
            return high - low

        assert width(strategies=9) > width(strategies=2) > width() > width(row_variance=0.0)
        assert width(level=0.99) > width()

    def test_the_variance_of_rows_in_closed_form(self):
        """Two repeats of two rows; row 1 is held out in both."""
        own = [np.array([[1.0, 3.0]]), np.array([[2.0, 2.0]])]
        other = [np.array([[1.0, 1.0]]), np.array([[1.0, 3.0]])]
        # psi: (0.5 - 1) / 8 and (1.5 - 1) / 8 in the first, (1 - 0.5) / 8 and (1 - 1.5) / 8 in the second repeat
        rows = [np.array([0, 1]), np.array([1, 2])]
        expected = (0.0625**2 + 0.125**2 + 0.0625**2) * 3 / 2
        assert row_variance(own, other, rows) == pytest.approx(expected)
        assert row_variance(own, own, rows) == 0.0

    def test_rows_that_are_always_held_out_count_however_many_repeats_there_are(self, rng):
        def variance(repeats):
            own, other = np.array([[1.0, 5.0, 1.0]]), np.array([[2.0, 2.0, 3.0]])
            return row_variance([own] * repeats, [other] * repeats, [np.arange(3)] * repeats)

        assert variance(50) == pytest.approx(variance(5))
        assert variance(5) > 0

    def test_the_bootstrap_is_paired_and_reproducible(self, rng):
        ratios = rng.normal(-0.2, 0.1, 12)
        draws = resamples(12, np.random.default_rng(3))
        low, high = bootstrap_interval(ratios, draws, 0.95)
        assert low < ratios.mean() < high
        assert high - low == pytest.approx(2 * 1.96 * ratios.std() / math.sqrt(12), rel=0.2)
        assert bootstrap_interval(ratios + 1, draws, 0.95) == pytest.approx((low + 1, high + 1))
        assert (resamples(12, np.random.default_rng(3)) == draws).all()


class TestVerdict:
    @pytest.mark.parametrize(
        ("interval", "learns", "verdict"),
        [
            ((-0.4, -0.1), True, Verdict.BETTER),
            ((-0.4, -0.1), False, Verdict.NOT_BETTER),
            ((-0.4, 0.0), True, Verdict.NOT_BETTER),
            ((-0.1, 0.4), True, Verdict.NOT_BETTER),
            ((0.1, 0.4), True, Verdict.WORSE),
            ((0.1, 0.4), False, Verdict.WORSE),
        ],
    )
    def test_the_interval_decides(self, interval, learns, verdict):
        assert verdict_of(interval, learns=learns) is verdict

    @pytest.mark.parametrize(("fixed", "plain"), [(True, 0.6), (False, 0.15)])
    def test_a_useless_strategy_is_seldom_better_or_worse(self, fixed, plain):
        """600 campaigns of 200 rows on which strategy and random err alike, row by row, and 10 repeats on them.

        At most about 5 % of the intervals may lie beside 0, whether each repeat measures on other rows or all on the
        same; without the variance of the rows far more do.
        """
        rng, trials, repeats, held = np.random.default_rng(0), 600, 10, 40
        beside = {True: 0, False: 0}
        for _ in range(trials):
            levels = rng.lognormal(sigma=0.7, size=(2, 200))
            rows = [np.arange(held) if fixed else rng.permutation(200)[:held] for _ in range(repeats)]
            own, other = (
                [level[drawn][None] * rng.uniform(0.5, 1.5, held) for drawn in rows] for level in levels
            )
            ratios = np.array([math.log(a.mean() / b.mean()) / 2 for a, b in zip(own, other, strict=True)])
            variance = row_variance(own, other, rows)
            for corrected in beside:
                low, high = corrected_interval(
                    ratios, level=0.95, strategies=1, row_variance=variance * corrected
                )
                beside[corrected] += low > 0 or high < 0
        assert beside[True] / trials <= 0.05
        assert beside[False] / trials > plain

    def test_a_real_effect_is_found(self):
        """A fifth less error, with the scatter of a small campaign."""
        rng = np.random.default_rng(1)
        found = []
        for _ in range(200):
            ratios = rng.normal(-0.22, 0.08, 10)
            interval = corrected_interval(ratios, level=0.95, strategies=2, row_variance=0.001)
            found.append(verdict_of(interval, learns=True) is Verdict.BETTER)
        assert np.mean(found) > 0.8


class TestSavings:
    STEPS = np.array([0.0, 10.0, 20.0, 30.0])

    def test_half_of_the_labels_at_equal_error(self):
        own, random = np.array([3.0, 1.0, 0.5, 0.2]), np.array([3.0, 2.0, 1.5, 0.75])
        # comes down to 0.75 half-way between 10 and 20
        assert saved_at_equal_error(self.STEPS, self.STEPS, own, random) == pytest.approx((15.0, 0.5))

    def test_it_is_negative_for_a_strategy_that_lags(self):
        own, random = np.array([3.0, 2.9, 2.5, 2.0]), np.array([3.0, 2.0, 1.0, 0.5])
        assert saved_at_equal_error(self.STEPS, self.STEPS, own, random) == pytest.approx((-20.0, -2 / 3))

    def test_money_may_be_saved_where_the_error_of_random_picks_is_not_reached(self):
        own, random = np.array([3.0, 2.5]), np.array([3.0, 2.0])
        amount, share = saved_at_equal_error(np.array([0.0, 1.0]), np.array([0.0, 100.0]), own, random)
        assert (amount, share) == pytest.approx((49.0, 0.49))

    def test_equal_curves_save_nothing_and_who_never_improves_has_nothing_to_save(self):
        flat, falling = np.array([1.0, 1.0, 1.1, 1.2]), np.array([3.0, 2.0, 1.0, 0.5])
        assert saved_at_equal_error(self.STEPS, self.STEPS, falling, falling) == (0.0, 0.0)
        assert saved_at_equal_error(self.STEPS, self.STEPS, flat, flat) == (0.0, 0.0)
        assert saved_at_equal_error(0 * self.STEPS, 0 * self.STEPS, flat, flat) == (0.0, 0.0)

    def test_the_interval_holds_the_share(self, rng):
        own = np.exp(-0.3 * np.arange(4) + 0.05 * rng.normal(size=(10, 4)))
        random = np.exp(-0.1 * np.arange(4) + 0.05 * rng.normal(size=(10, 4)))
        draws = resamples(10, rng)
        found = saving(curves(own), curves(random), "labels", draws, 0.95)
        assert found.interval[0] < found.share < found.interval[1]
        assert found.share == pytest.approx(2 / 3, abs=0.1)
        dearer = saving(curves(own, price=7.0), curves(random, price=7.0), "money", draws, 0.95)
        assert dearer.amount == pytest.approx(7 * found.amount)
        assert dearer.share == pytest.approx(found.share)


def test_points_are_means_over_the_repeats():
    points = curves([[1.0, 0.5], [4.0, 0.5]]).points()
    assert [point.labels for point in points] == [20.0, 30.0]
    assert [point.acquisition_cost for point in points] == [0.0, 10.0]
    assert points[0].rmse == pytest.approx(2.0)  # geometric
    assert (points[0].q95_error, points[0].max_error) == (5.0, 7.5)
    # Of two repeats, a tenth of the way between their logs from either end.
    assert (points[0].rmse_low, points[0].rmse_high) == pytest.approx((4.0**0.1, 4.0**0.9))


def test_the_comparator_is_the_mean_of_the_random_contestants():
    mean = Curves.mean([curves([[1.0, 0.5]]), curves([[1.0, 2.0]])])
    assert mean.log_rmse == pytest.approx(np.zeros((1, 2)))
