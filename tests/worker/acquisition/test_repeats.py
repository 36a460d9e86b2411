"""Repetitions: a suspicious labelled test may be recommended again, in the same list by the same gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.acquisition.errors import InjectionError, NothingEligibleError
from worker.acquisition.feasibility import RETEST_PRECISION
from worker.acquisition.problem import Arm, RankingProblem
from worker.acquisition.ranking import Ranking, RankingConfig, rank_pool
from worker.acquisition.reasons import Wording
from worker.acquisition.strategies import STRATEGIES, strategy_named
from worker.lossval.network import EnsembleNetwork

STRATEGY = strategy_named("variance_reduction")
LABELLED = 10


def with_repeats(make_problem, weights: dict[int, float], **changes) -> RankingProblem:
    """20 ordinary candidates, then a repetition of each of the 10 labelled designs."""
    problem = make_problem(m=30, n=LABELLED, **changes)
    precision = np.ones(LABELLED)
    for row, weight in weights.items():
        precision[row] = weight
    return replace(
        problem,
        candidates=torch.cat([problem.candidates[:20], problem.labelled]),
        label_precision=precision,
        repeats=np.r_[np.full(20, -1), np.arange(LABELLED)],
        design=np.r_[np.arange(20), 100 + np.arange(LABELLED)],
        known_designs=100 + np.arange(LABELLED),
    )


@pytest.mark.parametrize("name", sorted(STRATEGIES))
class TestEveryStrategy:
    def test_no_repetition_while_every_label_is_trusted(self, name, make_problem):
        problem = with_repeats(make_problem, {}, batch_size=30, control_fraction=0.3)
        selection = strategy_named(name).select(problem)
        assert sorted(pick.index for pick in selection.picks) == list(range(20))
        assert not selection.eligible[20:].any()

    def test_only_the_suspicious_may_be_repeated(self, name, make_problem):
        problem = with_repeats(make_problem, {2: 0.1, 7: 0.49, 8: 0.5}, batch_size=30)
        selection = strategy_named(name).select(problem)
        assert sorted(pick.index for pick in selection.picks) == [*range(20), 22, 27]

    def test_not_while_a_repetition_is_pending(self, name, make_problem):
        problem = with_repeats(make_problem, {2: 0.1, 7: 0.1}, batch_size=30)
        selection = strategy_named(name).select(replace(problem, pending_repeats=np.array([2])))
        assert sorted(pick.index for pick in selection.picks) == [*range(20), 27]


class TestGain:
    def test_by_hand_it_is_one_observation_more_with_precision_one(self, make_problem):
        # one label with w = 0.2 at x = 1, sigma^2 = 1, target at x = 2: variance 4 / 1.2, then 4 / 2.2
        problem = make_problem(m=1, n=1, p=1, noise_variance=1.0, label_precision=np.array([0.2]))
        one = torch.ones(1, 1, dtype=torch.float64)
        problem = replace(
            problem,
            candidates=one,
            labelled=one,
            target=2 * one,
            repeats=np.array([0]),
            known_designs=np.array([0]),
        )
        assert STRATEGY.select(problem).information == pytest.approx([4 / 1.2 - 4 / 2.2])

    def test_it_is_that_of_an_ordinary_design_with_the_same_features(self, make_problem):
        problem = with_repeats(make_problem, {4: 0.05})
        as_ordinary = replace(problem, repeats=np.full(30, -1), known_designs=np.array([0]))
        assert STRATEGY.select(problem).scores.tobytes() == STRATEGY.select(as_ordinary).scores.tobytes()

    def test_the_less_a_label_is_trusted_the_more_its_repetition_gains(self, make_problem):
        gains = [
            STRATEGY.select(with_repeats(make_problem, {4: weight})).information[24]
            for weight in (0.0, 0.1, 0.3, 0.49, 1.0)
        ]
        assert gains == sorted(gains, reverse=True)
        assert gains[0] > 2 * gains[-1]

    def test_it_competes_in_the_same_list(self, make_problem):
        found = 0
        for seed in range(20):
            problem = with_repeats(make_problem, {4: 0.0}, seed=seed, cost_exponent=0.0)
            selection = STRATEGY.select(problem)
            order = selection.order()
            assert (
                order[0] == np.flatnonzero(selection.eligible)[selection.scores[selection.eligible].argmax()]
            )
            found += 24 in [pick.index for pick in selection.picks]
        assert 0 < found < 20


class TestRefusals:
    def test_nothing_but_repetitions_of_trusted_tests(self, make_problem):
        problem = with_repeats(make_problem, {}, vetoed=np.arange(20))
        with pytest.raises(NothingEligibleError, match="10 repeat a test whose label is not suspicious"):
            STRATEGY.select(problem)

    def test_a_trusted_test_cannot_be_injected_as_a_repetition(self, make_problem):
        with pytest.raises(InjectionError, match="repeat a test whose label is not suspicious"):
            STRATEGY.select(with_repeats(make_problem, {}, injected=np.array([25])))
        doubted = with_repeats(make_problem, {5: 0.2}, injected=np.array([25]))
        assert STRATEGY.select(doubted).picks[0].arm is Arm.INJECTED


class TestRankPool:
    """The same through the encoded rows, where a design is known by its features."""

    def rank(self, doubted: float, *, pending: bool = False, explicit: bool = False) -> Ranking:
        random = np.random.default_rng(3)
        labelled = random.normal(size=(20, 4))
        pool = np.concatenate(
            [random.normal(size=(8, 4)), labelled[[6]] + 0.02]
        )  # planned, not quite executed
        precision = np.ones(20)
        precision[6] = doubted
        return rank_pool(
            EnsembleNetwork(3, 4, [8], 1, generator=torch.Generator().manual_seed(0)),
            X_labelled=labelled,
            label_precision=precision,
            X_pool=pool,
            X_pending=pool[[8]] if pending else np.zeros((0, 4)),
            X_target=labelled[[6]] + random.normal(0, 0.1, size=(5, 4)),
            acquisition_cost=np.ones(9),
            source=np.zeros(9),
            relevance=None,
            predicted=np.zeros(9),
            predicted_std=np.ones(9),
            config=RankingConfig(batch_size=4, control_fraction=0.0, sketch_dimension=48),
            seed=1,
            repeats=[-1] * 8 + [6],
            pending_repeats=[6] if explicit else [],
            wording=Wording(labelled=tuple(f"T-{row}" for row in range(20))),
        )

    def test_a_repetition_says_what_it_repeats_and_why(self):
        repeated = [one for one in self.rank(0.05).recommendations if one.repeats is not None]
        assert [one.repeats for one in repeated] == [6]
        assert repeated[0].pick.index == 8
        assert "Repeat test T-6: its label does not fit" in repeated[0].reason
        assert "it counts as 0.05 of a plain label" in repeated[0].reason

    def test_it_is_left_out_while_trusted_or_under_way(self):
        for ranking in (self.rank(1.0), self.rank(0.05, pending=True), self.rank(0.05, explicit=True)):
            assert all(one.repeats is None for one in ranking.recommendations)
            assert "Repeat test" not in "".join(one.reason for one in ranking.recommendations)
            assert not ranking.selection.eligible[8]


def test_the_threshold_is_where_a_label_is_more_likely_wrong_than_right():
    # weights are P(sound) over its mean, which is at most 1: below the threshold P(sound) < 1/2
    for mean_sound in (0.5, 0.8, 1.0):
        assert RETEST_PRECISION * mean_sound <= 0.5
