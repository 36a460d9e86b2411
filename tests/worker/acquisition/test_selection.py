from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.acquisition.control import draw_control
from worker.acquisition.errors import (
    BudgetTooSmallError,
    EmptyPoolError,
    InvalidProblemError,
    NoTargetDomainError,
    NothingEligibleError,
)
from worker.acquisition.problem import Arm, BatchLimits
from worker.acquisition.strategies import strategy_named

STRATEGY = strategy_named("variance_reduction")


def rows(selection):
    return [pick.index for pick in selection.picks]


def orthogonal(make_problem, lengths, costs, **changes):
    """Candidates along their own axes: nothing that one teaches is taught by another."""
    m = len(lengths)
    problem = make_problem(m=m, p=m, n=0, acquisition_cost=np.array(costs, dtype=float), **changes)
    return replace(
        problem,
        candidates=torch.diag(torch.tensor(lengths, dtype=torch.float64)),
        target=torch.eye(m, dtype=torch.float64),
        noise_variance=1.0,
    )


class TestMoney:
    def test_score_is_gain_times_relevance_by_price_to_the_exponent(self, make_problem):
        problem = orthogonal(
            make_problem, [1, 2], [4.0, 9.0], relevance=np.array([1.0, 3.0]), source=np.zeros(2)
        )
        # gain of length l: (1 / 2 targets) * l^2 / (1 + l^2), plain cost without a budget
        assert STRATEGY.select(problem).scores == pytest.approx([0.25 / 2, 0.4 * 3 / 3])
        whole = replace(problem, limits=BatchLimits(cost_exponent=1.0, budget=36.0, control_fraction=0.0))
        assert STRATEGY.select(whole).scores == pytest.approx([0.25 / (4 / 36), 1.2 / (9 / 36)])

    def test_a_source_with_a_pot_is_priced_against_it(self, make_problem):
        problem = orthogonal(make_problem, [1, 1], [300.0, 3.0], source=np.array([0, 1]))
        pots = BatchLimits(source_budgets={0: 600.0, 1: 6.0}, control_fraction=0.0)
        first, second = STRATEGY.select(replace(problem, limits=pots)).scores
        assert first == pytest.approx(second)

    def test_what_cannot_be_paid_is_skipped_for_what_can(self, make_problem):
        problem = orthogonal(make_problem, [3, 2, 1], [5.0, 5.0, 1.0], budget=6.0, cost_exponent=0.0)
        assert rows(STRATEGY.select(problem)) == [0, 2]

    def test_the_guard_buys_the_one_that_outweighs_the_cheap_ones(self, make_problem):
        problem = orthogonal(make_problem, [3, 0.1, 0.1, 3], [10.0, 0.01, 0.01, 10.5], cost_exponent=1.0)
        limited = replace(problem, limits=replace(problem.limits, budget=10.0))
        selection = STRATEGY.select(limited)
        assert rows(selection) == [0]
        assert selection.led_by_single
        enough = STRATEGY.select(replace(problem, limits=replace(problem.limits, budget=10.02)))
        assert sorted(rows(enough)) == [0, 1, 2]
        free = STRATEGY.select(problem)
        assert rows(free) == [1, 2, 0, 3]
        assert not free.led_by_single

    def test_each_source_with_a_pot_gets_a_place(self, make_problem):
        # simulations win every place by their price; one place is kept for the test that can be paid
        lengths, costs = [0.2, 0.2, 1, 1, 1, 1], [300.0, 350.0, 1, 1, 1, 1]
        problem = orthogonal(make_problem, lengths, costs, source=np.array([0, 0, 1, 1, 1, 1]))
        pots = {0: 340.0, 1: 100.0}
        limits = BatchLimits(batch_size=3, source_budgets=pots, control_fraction=0.0)
        selection = STRATEGY.select(replace(problem, limits=limits))
        assert rows(selection) == [2, 3, 0]
        assert selection.spent_by_source == {0: 300.0, 1: 2.0}
        plain = replace(limits, source_budgets={}, budget=440.0)
        assert rows(STRATEGY.select(replace(problem, limits=plain))) == [2, 3, 4]


class TestControlArm:
    def frequencies(self, problem, draws=2000):
        """How often each row is drawn, and the draws of every seed."""
        eligible = ~np.isin(problem.design, problem.known_designs)
        arms = [draw_control(replace(problem, seed=seed), eligible) for seed in range(draws)]
        counts = np.bincount([row for arm in arms for row, _ in arm], minlength=problem.size)
        return counts / draws, arms

    def test_every_candidate_is_drawn_with_the_kept_probability(self, make_problem):
        frequency, arms = self.frequencies(make_problem(m=8, batch_size=4, control_fraction=0.1))
        assert {tuple(probability for _, probability in arm) for arm in arms} == {(1 / 8,)}
        assert np.abs(frequency - 1 / 8).max() < 4 * np.sqrt(1 / 8 * 7 / 8 / 2000)

    def test_several_draws_are_uniform_and_leave_the_ineligible_out(self, make_problem):
        problem = make_problem(m=8, batch_size=4, control_fraction=0.5, known_designs=np.array([0]))
        frequency, arms = self.frequencies(problem)
        assert {tuple(probability for _, probability in arm) for arm in arms} == {(1 / 7, 1 / 6)}
        assert frequency[0] == 0
        assert np.abs(frequency[1:] - 2 / 7).max() < 4 * np.sqrt(2 / 7 * 5 / 7 / 2000)

    def test_expensive_ones_are_drawn_too_but_half_of_the_money_stays(self, make_problem):
        costs = np.array([6.0, 5.0, 1.0, 1.0, 1.0])
        problem = make_problem(m=5, acquisition_cost=costs, budget=10.0, control_fraction=0.4)
        frequency, arms = self.frequencies(problem)
        assert frequency[0] == 0
        assert abs(frequency[1] - 1 / 4) < 4 * np.sqrt(1 / 4 * 3 / 4 / 2000)
        # two draws are wanted; after an expensive one the arm's share (4 of 10) is used up
        assert {len(arm) for arm in arms if arm[0][0] == 1} == {1}
        assert {len(arm) for arm in arms if arm[0][0] != 1} == {2}

    def test_the_selection_keeps_the_draw(self, make_problem):
        problem = make_problem(control_fraction=0.4)
        control = [pick for pick in STRATEGY.select(problem).picks if pick.arm is Arm.CONTROL]
        drawn = draw_control(problem, np.ones(30, dtype=bool))
        assert [(pick.index, pick.selection_probability) for pick in control] == drawn

    def test_there_is_none_in_a_batch_of_one_or_without_a_fraction(self, make_problem):
        for changes in ({"batch_size": 1, "control_fraction": 0.5}, {"control_fraction": 0.0}):
            selection = STRATEGY.select(make_problem(**changes))
            assert {pick.arm for pick in selection.picks} == {Arm.CHOSEN}

    def test_strategies_share_the_draws_and_know_them(self, make_problem):
        problem = make_problem(control_fraction=0.4)
        drawn = {
            name: [p.index for p in strategy_named(name).select(problem).picks if p.arm is Arm.CONTROL]
            for name in ("variance_reduction", "lcmd", "random")
        }
        assert drawn["lcmd"] == drawn["random"] == drawn["variance_reduction"]
        informed = STRATEGY.select(replace(problem, pending=problem.candidates[drawn["lcmd"]]))
        first = STRATEGY.select(problem).picks[0]
        assert first.information == pytest.approx(informed.information[first.index])


class TestBadInput:
    def test_all_candidates_pending(self, make_problem):
        with pytest.raises(NothingEligibleError, match=r"All 30 candidates are pending.*add new designs"):
            STRATEGY.select(make_problem(known_designs=np.arange(30)))

    def test_budget_below_every_price(self, make_problem):
        costs = np.full(30, 2500.0)
        with pytest.raises(BudgetTooSmallError, match=r"cheapest costs 2,500\.00\. Raise the budget"):
            STRATEGY.select(make_problem(acquisition_cost=costs, budget=2499.0))
        with pytest.raises(BudgetTooSmallError):
            STRATEGY.select(make_problem(acquisition_cost=costs, source_budgets={0: 1.0, 1: 0.0}))

    def test_empty_pool_and_no_target_domain(self, make_problem):
        with pytest.raises(EmptyPoolError, match="add designs"):
            make_problem(m=0)
        with pytest.raises(NoTargetDomainError, match="mark samples as validation"):
            make_problem(target=torch.zeros(0, 8))

    @pytest.mark.parametrize("cost", [0.0, -1.0, np.nan, np.inf])
    def test_a_cost_that_is_no_price(self, make_problem, cost):
        costs = np.ones(30)
        costs[7] = cost
        with pytest.raises(InvalidProblemError, match=r"acquisition_cost .* row 7"):
            make_problem(acquisition_cost=costs)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"candidates": torch.full((30, 8), torch.nan)}, "candidates has non-finite features"),
            ({"pending": torch.zeros(2, 7)}, r"pending has shape \(2, 7\); expected 8 columns"),
            ({"relevance": np.zeros(30)}, "relevance is 0 in row 0"),
            ({"relevance": np.ones(29)}, r"relevance has shape \(29,\); expected \(30,\)"),
            ({"label_precision": -np.ones(10)}, "label_precision is negative"),
            ({"noise_variance": 0.0}, "noise_variance is 0.0"),
            ({"batch_size": 0}, "batch_size is 0"),
            ({"cost_exponent": 1.5}, "cost_exponent is 1.5"),
            ({"control_fraction": 1.0}, "control_fraction is 1.0"),
            ({"budget": -1.0}, "budget is negative"),
            ({"source_budgets": {0: np.nan}}, "budget is negative or not finite"),
        ],
    )
    def test_other_wrong_numbers(self, make_problem, changes, message):
        with pytest.raises(InvalidProblemError, match=message):
            make_problem(**changes)
