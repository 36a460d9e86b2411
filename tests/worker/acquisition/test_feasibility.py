"""The rules of a batch: every strategy, the control arm and injections obey them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.acquisition.errors import (
    BudgetTooSmallError,
    InjectionError,
    InvalidProblemError,
    NothingEligibleError,
)
from worker.acquisition.feasibility import obstacle
from worker.acquisition.problem import Arm, RankingProblem, Selection
from worker.acquisition.strategies import STRATEGIES, strategy_named

every_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))
STRATEGY = strategy_named("variance_reduction")


def rows(selection: Selection) -> list[int]:
    return [pick.index for pick in selection.picks]


def by_source(problem: RankingProblem, selection: Selection) -> Counter[int]:
    return Counter(problem.source[rows(selection)].tolist())


@every_strategy
class TestEveryStrategy:
    def test_quota_and_capacity_bound_the_picks_of_a_source(self, name, make_problem):
        for limits in ({"source_quotas": {0: 2}}, {"source_capacity": {0: 2}, "source_quotas": {0: 4}}):
            for seed in range(5):
                problem = make_problem(seed=seed, batch_size=12, control_fraction=0.2, **limits)
                selection = strategy_named(name).select(problem)
                assert by_source(problem, selection)[0] == 2
                assert len(rows(selection)) == 12

    def test_a_source_gets_its_minimum(self, name, make_problem):
        for seed in range(5):
            # the other source is cheaper by far
            problem = make_problem(seed=seed, batch_size=6, source_minimums={0: 4}, cost_exponent=1.0)
            costs = np.where(problem.source == 0, 500.0, 1.0)
            assert (
                by_source(problem, strategy_named(name).select(replace(problem, acquisition_cost=costs)))[0]
                >= 4
            )

    def test_the_control_arm_leaves_a_source_its_minimum(self, name, make_problem):
        for seed in range(20):
            problem = make_problem(seed=seed, batch_size=6, source_minimums={0: 5}, control_fraction=0.4)
            selection = strategy_named(name).select(problem)
            assert by_source(problem, selection)[0] >= 5
            assert [pick.arm for pick in selection.picks].count(Arm.CONTROL) == 2

    def test_a_source_that_is_too_slow_is_left_out(self, name, make_problem):
        times = {0: 1000.0, 1: 24.0}
        problem = make_problem(
            source_lead_time_hours=times, longest_lead_time_hours=24.0, control_fraction=0.4, batch_size=10
        )
        selection = strategy_named(name).select(problem)
        assert by_source(problem, selection) == {1: 10}
        assert not selection.eligible[problem.source == 0].any()

    def test_a_group_has_at_most_k_picks(self, name, make_problem):
        for k, batch in ((1, 5), (2, 10)):
            problem = make_problem(
                group=np.arange(30) % 5, most_per_group=k, batch_size=20, control_fraction=0.2
            )
            selection = strategy_named(name).select(problem)
            assert Counter(problem.group[rows(selection)].tolist()) == dict.fromkeys(range(5), k)
            assert len(rows(selection)) == batch
            assert Arm.CHOSEN in {pick.arm for pick in selection.picks}, "the control arm leaves places"

    def test_candidates_without_a_group_are_not_limited(self, name, make_problem):
        problem = make_problem(group=np.full(30, -1), most_per_group=1, batch_size=10, control_fraction=0.2)
        assert len(rows(strategy_named(name).select(problem))) == 10

    def test_a_vetoed_design_is_never_picked(self, name, make_problem):
        free = make_problem(batch_size=10, control_fraction=0.5)
        vetoed = np.array(rows(strategy_named(name).select(free)))
        for seed in range(20):
            problem = make_problem(batch_size=20, control_fraction=0.5, vetoed=vetoed)
            selection = strategy_named(name).select(replace(problem, seed=seed))
            assert not set(rows(selection)) & set(vetoed.tolist())
            assert len(rows(selection)) == 20
            assert not selection.eligible[vetoed].any()

    def test_injected_designs_come_first_and_count(self, name, make_problem):
        problem = make_problem(
            batch_size=6,
            injected=np.array([17, 3]),
            control_fraction=0.25,
            budget=1000.0,
            group=np.arange(30) % 10,
            most_per_group=1,
        )
        selection = strategy_named(name).select(problem)
        assert rows(selection)[:2] == [17, 3]
        assert [pick.arm for pick in selection.picks] == [Arm.INJECTED] * 2 + [Arm.CHOSEN] * 3 + [Arm.CONTROL]
        assert selection.order()[:6].tolist() == rows(selection)
        assert len(set(problem.group[rows(selection)])) == 6
        costs = problem.acquisition_cost[rows(selection)]
        assert selection.spent == pytest.approx(costs.sum())
        told = sum(pick.information for pick in selection.picks)
        assert told == pytest.approx(selection.sd_before**2 - selection.sd_after**2)

    def test_a_batch_may_be_injected_whole(self, name, make_problem):
        problem = make_problem(batch_size=3, injected=np.array([5, 1, 2]), control_fraction=0.3, budget=1e3)
        assert [pick.arm for pick in strategy_named(name).select(problem).picks] == [Arm.INJECTED] * 3


@every_strategy
@settings(deadline=None, max_examples=60)  # other processes share the cores
@given(data=st.data())
def test_all_rules_hold_together(name, make_problem, data):
    draw = data.draw
    m = 20
    counts = st.integers(0, 4)
    quotas = draw(st.dictionaries(st.integers(0, 1), counts))
    capacity = draw(st.dictionaries(st.integers(0, 1), counts))
    problem = make_problem(
        seed=draw(st.integers(0, 1000)),
        m=m,
        p=4,
        batch_size=draw(st.integers(1, 8)),
        budget=draw(st.sampled_from([None, 8.0, 25.0])),
        source_budgets=draw(st.sampled_from([{}, {0: 9.0}, {0: 9.0, 1: 12.0}])),
        source_quotas=quotas,
        source_capacity=capacity,
        most_per_group=draw(st.sampled_from([None, 1, 2])),
        control_fraction=draw(st.sampled_from([0.0, 0.1, 0.4])),
        group=np.array(draw(st.lists(st.integers(-1, 4), min_size=m, max_size=m))),
        design=np.array(draw(st.lists(st.integers(0, 15), min_size=m, max_size=m))),
        known_designs=np.array(draw(st.lists(st.integers(0, 15), max_size=4)), dtype=np.int64),
        vetoed=np.array(draw(st.lists(st.integers(0, m - 1), max_size=5)), dtype=np.int64),
        injected=np.array(draw(st.lists(st.integers(0, m - 1), max_size=2, unique=True)), dtype=np.int64),
    )
    limits = problem.limits
    try:
        selection = strategy_named(name).select(problem)
    except InjectionError:
        assert problem.injected.size
        return
    except (NothingEligibleError, BudgetTooSmallError):
        assert all(obstacle(problem, row, []) for row in range(m))
        return
    picks = rows(selection)
    assert 1 <= len(picks) <= limits.batch_size
    assert picks[: problem.injected.size] == problem.injected.tolist()
    assert len(set(problem.design[picks].tolist())) == len(picks)
    assert not set(problem.design[picks].tolist()) & set(problem.known_designs.tolist())
    assert not set(picks) & set(problem.vetoed.tolist())
    grouped = Counter(label for label in problem.group[picks].tolist() if label >= 0)
    assert max(grouped.values(), default=0) <= (limits.most_per_group or m)
    for source, places in limits.source_places.items():
        assert by_source(problem, selection)[source] <= places
    costs = problem.acquisition_cost[picks]
    assert costs.sum() <= (limits.budget or np.inf) + 1e-9
    for source, money in limits.source_budgets.items():
        assert costs[problem.source[picks] == source].sum() <= money + 1e-9
    if len(picks) < limits.batch_size:
        assert all(obstacle(problem, row, picks) for row in range(m)), "a shorter batch has no room left"


class TestOpenRules:
    def test_places_are_kept_for_minimums_and_pots_together(self, make_problem):
        problem = make_problem(
            m=12,
            batch_size=5,
            cost_exponent=1.0,
            source=np.repeat([0, 1, 2], 4),
            source_minimums={0: 2},
            source_budgets={1: 100.0, 0: 5000.0},
            acquisition_cost=np.repeat([500.0, 50.0, 0.001], 4),
        )
        assert by_source(problem, STRATEGY.select(problem)) == {0: 2, 1: 1, 2: 2}

    def test_a_minimum_that_cannot_be_met_leaves_no_place_empty(self, make_problem):
        problem = make_problem(batch_size=6, source=np.array([0] + [1] * 29), source_minimums={0: 3})
        assert by_source(problem, STRATEGY.select(problem)) == {0: 1, 1: 5}

    def test_the_control_arm_shares_places_and_money_that_injections_leave(self, make_problem):
        costs = np.array([6.0, 4.0, 2.0, 2.0, 2.0])
        for seed in range(40):
            problem = make_problem(m=5, acquisition_cost=costs, budget=10.0, control_fraction=0.4)
            picks = STRATEGY.select(replace(problem, injected=np.array([0]), seed=seed)).picks
            control = [pick.index for pick in picks if pick.arm is Arm.CONTROL]
            assert len(control) == 1
            assert costs[control[0]] == 2.0, "half of the 4 that are left"

    def test_the_control_arm_leaves_places_at_a_source(self, make_problem):
        for seed in range(20):
            problem = make_problem(source=np.zeros(30, dtype=np.int64), source_capacity={0: 2})
            limits = replace(problem.limits, control_fraction=0.5)
            picks = STRATEGY.select(replace(problem, limits=limits, seed=seed)).picks
            assert [pick.arm for pick in picks] == [Arm.CHOSEN, Arm.CONTROL]

    def test_neutral_rules_give_the_same_bytes(self, make_problem):
        for control_fraction in (0.0, 0.4):
            problem = make_problem(budget=20.0, control_fraction=control_fraction)
            limits = replace(
                problem.limits,
                source_quotas={0: 30, 1: 30},
                source_capacity={0: 30},
                source_minimums={0: 0},
                source_lead_time_hours={0: 5.0},
                longest_lead_time_hours=5.0,
                most_per_group=1,
            )
            ruled = replace(
                problem,
                limits=limits,
                group=np.arange(30),
                repeats=np.full(30, -1),
                candidate_precision=np.ones(30),
            )
            plain, neutral = STRATEGY.select(problem), STRATEGY.select(ruled)
            assert neutral.picks == plain.picks
            assert neutral.scores.tobytes() == plain.scores.tobytes()


class TestPrecisionOfObservations:
    def on_a_line(self, make_problem, **changes):
        # prior precision 1, no label; the target at x = 3 has variance 9; sigma^2 = 0.5
        problem = make_problem(m=2, n=0, p=1, noise_variance=0.5, batch_size=1, cost_exponent=0.0)
        points = {"candidates": [[1.0], [1.0]], "target": [[3.0]]}
        tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in points.items()}
        return replace(problem, **tensors, **changes)

    def test_a_precise_candidate_tells_more_by_hand(self, make_problem):
        selection = STRATEGY.select(self.on_a_line(make_problem, candidate_precision=np.array([1.0, 4.0])))
        # precision after: 1 + 1 / 0.5 = 3 and 1 + 4 / 0.5 = 9
        assert selection.information == pytest.approx([9 - 9 / 3, 9 - 9 / 9])
        assert rows(selection) == [1]
        assert selection.sd_after == pytest.approx(1.0)

    def test_a_pending_simulation_counts_with_its_precision(self, make_problem):
        pending = torch.tensor([[1.0]], dtype=torch.float64)
        problem = self.on_a_line(make_problem, pending=pending, pending_precision=np.array([4.0]))
        assert STRATEGY.select(problem).sd_before == pytest.approx(1.0)

    @pytest.mark.parametrize("precision", [np.zeros(30), -np.ones(30)])
    def test_it_is_positive(self, make_problem, precision):
        with pytest.raises(InvalidProblemError, match=r"candidate_precision is -?[01] in row 0"):
            make_problem(candidate_precision=precision)


class TestBadInput:
    def test_all_vetoed(self, make_problem):
        with pytest.raises(NothingEligibleError, match="All 30 candidates are vetoed; lift a veto"):
            STRATEGY.select(make_problem(vetoed=np.arange(30)))

    def test_all_too_slow(self, make_problem):
        times = {"source_lead_time_hours": {0: 48.0, 1: 30.0}, "longest_lead_time_hours": 24.0}
        with pytest.raises(NothingEligibleError, match="longer than the round may wait; allow"):
            STRATEGY.select(make_problem(**times))

    @pytest.mark.parametrize("name", ["source_quotas", "source_capacity"])
    def test_no_place_at_any_source(self, make_problem, name):
        with pytest.raises(NothingEligibleError, match=r"without a place.*raise its quota or its capacity"):
            STRATEGY.select(make_problem(**{name: {0: 0, 1: 0}}))

    def test_several_reasons_are_counted_once_each(self, make_problem):
        problem = make_problem(vetoed=np.arange(10), known_designs=np.arange(5, 30))
        message = r"None of the 30 .*: 10 are vetoed, 20 are pending.*; lift a veto or add new designs"
        with pytest.raises(NothingEligibleError, match=message):
            STRATEGY.select(problem)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"vetoed": [4]}, "are vetoed: lift a veto"),
            ({"known_designs": [4]}, "are pending or repeat a known design"),
            ({"design": np.r_[0, 0, np.arange(2, 30)], "injected": [0, 1]}, "design is in the batch already"),
            ({"group": [7] * 30, "most_per_group": 1, "injected": [3, 4]}, "its group has 1 picks already"),
            ({"budget": 0.5}, r"it costs .* more than is left: raise the budget"),
            ({"source": [0] * 30, "source_quotas": {0: 1}, "injected": [3, 4]}, "source has no place left"),
            ({"batch_size": 1, "injected": [3, 4]}, "2 designs are injected into a batch of 1; inject fewer"),
        ],
    )
    def test_an_injected_row_without_a_place(self, make_problem, changes, message):
        cheap = np.full(30, 0.1)
        cheap[4] = 2.0
        inputs = {"injected": [4], "acquisition_cost": cheap} | changes
        arrays = {
            name: np.array(value) if isinstance(value, list) else value for name, value in inputs.items()
        }
        with pytest.raises(InjectionError, match=message):
            STRATEGY.select(make_problem(**arrays))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"injected": np.array([30])}, "injected names row 30; rows run from 0 to 29"),
            ({"injected": np.array([1, 1])}, "injected names a row twice"),
            ({"vetoed": np.array([-1])}, "vetoed names row -1"),
            ({"repeats": np.full(30, 10)}, "repeats names row 10; rows run from -1 to 9"),
            ({"pending_repeats": np.array([-1])}, "pending_repeats names row -1"),
            ({"group": np.zeros(3)}, r"group has shape \(3,\); expected \(30,\)"),
            ({"source_quotas": {0: -1}}, "source_quotas has a negative number"),
            ({"most_per_group": 0}, "most_per_group is 0"),
            ({"source_minimums": {0: 3, 1: 3}}, "ask for more than the 5 places"),
            (
                {"source_minimums": {0: 3}, "source_quotas": {0: 2}},
                "3 picks of source 0, whose quota or capacity is 2",
            ),
            ({"longest_lead_time_hours": -1.0}, "lead time is negative"),
            ({"source_lead_time_hours": {0: float("nan")}}, "lead time is negative or not a number"),
        ],
    )
    def test_wrong_rules(self, make_problem, changes, message):
        with pytest.raises(InvalidProblemError, match=message):
            make_problem(**changes)
