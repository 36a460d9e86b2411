from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.acquisition.designs import design_ids, surroundings
from worker.acquisition.errors import (
    AcquisitionError,
    BudgetTooSmallError,
    EmptyPoolError,
    InvalidProblemError,
    NoTargetDomainError,
    NothingEligibleError,
    UnknownStrategyError,
)
from worker.acquisition.evidence import SENTENCES, Verdict
from worker.acquisition.problem import Arm
from worker.acquisition.ranking import RankingConfig, rank_pool, sketch_columns
from worker.acquisition.reasons import Novelty, Wording
from worker.lossval.network import EnsembleNetwork

TEST, SIMULATION = 0, 1
WORDING = Wording("g", "USD", ("physical_test", "simulation"), tuple(f"T-{row}" for row in range(40)))


def campaign(seed: int = 0, m: int = 120) -> dict:
    """A round with both sources; the last column is the source, the target domain is a shifted test."""
    random = np.random.default_rng(seed)
    pool = random.normal(size=(m, 6))
    source = np.where(random.random(m) < 0.3, TEST, SIMULATION)
    pool[:, 5] = source
    target = random.normal(size=(25, 6)) + 0.7
    target[:, 5] = TEST
    prices = np.where(source == TEST, random.uniform(250e3, 350e3, m), random.uniform(500, 5000, m))
    return {
        "network": EnsembleNetwork(4, 6, [16, 16], 1, generator=torch.Generator().manual_seed(seed)),
        "X_labelled": random.normal(size=(40, 6)),
        "label_precision": np.ones(40),
        "X_pool": pool,
        "X_pending": np.zeros((0, 6)),
        "X_target": target,
        "acquisition_cost": prices,
        "source": source,
        "relevance": None,
        "predicted": random.normal(26, 4, m),
        "predicted_std": random.uniform(0.5, 2, m),
        "config": RankingConfig(batch_size=10, sketch_dimension=64, target_scale=4.0),
        "seed": 11,
        "wording": WORDING,
    }


def rows(ranking) -> list[int]:
    return [recommendation.pick.index for recommendation in ranking.recommendations]


class TestRankPool:
    def test_a_ranking_is_complete(self):
        inputs = campaign()
        ranking = rank_pool(**inputs)
        assert [one.rank for one in ranking.recommendations] == list(range(1, 11))
        assert ranking.order[:10].tolist() == rows(ranking)
        assert sorted(ranking.order) == list(range(120))
        assert [one.pick.arm for one in ranking.recommendations].count(Arm.CONTROL) == 1
        assert ranking.recommendations[3].predicted == inputs["predicted"][rows(ranking)[3]]
        assert ranking.evidence.verdict is Verdict.NOT_ENOUGH_DATA
        assert "40 labelled" in ranking.evidence.sentence
        assert ranking.selection.sd_after < ranking.selection.sd_before < 4.0

    def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_draw(self):
        first, second = rank_pool(**campaign()), rank_pool(**campaign())
        assert first.recommendations == second.recommendations
        assert first.selection.scores.tobytes() == second.selection.scores.tobytes()
        other = rank_pool(**{**campaign(), "seed": 12})
        assert other.selection.scores.tobytes() != first.selection.scores.tobytes()

    def test_information_is_in_squared_target_units(self):
        inputs = campaign()
        in_g = rank_pool(**inputs)
        in_mg = rank_pool(**{**inputs, "config": replace(inputs["config"], target_scale=4000.0)})
        np.testing.assert_allclose(in_mg.selection.information, in_g.selection.information * 1e6, rtol=1e-3)
        assert in_mg.selection.sd_before == pytest.approx(1000 * in_g.selection.sd_before, rel=1e-4)

    def test_without_labels_of_any_weight_the_model_knows_the_spread_of_the_target_only(self):
        inputs = campaign()
        ranking = rank_pool(**{**inputs, "label_precision": np.zeros(40)})
        assert ranking.selection.sd_before == pytest.approx(4.0, rel=1e-5)

    def test_source_budgets_buy_both_sources(self):
        for seed in range(5):
            inputs = campaign(seed)
            pots = {TEST: 700e3, SIMULATION: 20e3}
            ranking = rank_pool(**{**inputs, "config": replace(inputs["config"], source_budgets=pots)})
            bought = inputs["source"][rows(ranking)]
            assert set(bought) == {TEST, SIMULATION}
            spent = ranking.selection.spent_by_source
            assert all(spent[source] <= budget for source, budget in pots.items())

    def test_pending_designs_count_as_known(self):
        inputs = campaign()
        first = rank_pool(**inputs)
        pending = inputs["X_pool"][rows(first)]
        second = rank_pool(**{**inputs, "X_pending": pending})
        assert not set(rows(first)) & set(rows(second))
        assert not second.selection.eligible[rows(first)].any()
        assert second.selection.sd_before == pytest.approx(first.selection.sd_after, rel=1e-3)

    def test_repetitions_of_labelled_or_pooled_designs_are_not_proposed(self):
        inputs = campaign(m=12)
        pool = inputs["X_pool"].copy()
        pool[1] = pool[0] + 1e-9
        pool[2] = inputs["X_labelled"][7]
        ranking = rank_pool(**{**inputs, "X_pool": pool, "config": RankingConfig(sketch_dimension=64)})
        assert len(rows(ranking)) == 10
        assert 2 not in rows(ranking)
        assert len({0, 1} & set(rows(ranking))) == 1

    def test_tensors_are_as_good_as_arrays(self):
        inputs = campaign()
        tensors = {name: torch.from_numpy(inputs[name]) for name in ("X_labelled", "X_pool", "X_target")}
        assert rank_pool(**inputs | tensors).recommendations == rank_pool(**inputs).recommendations

    def test_a_large_pool_gets_fewer_columns_than_memory_has_room_for(self):
        assert [sketch_columns(512, rows) for rows in (1, 393_216, 393_217, 10**6, 10**8)] == [
            512, 512, 448, 192, 128,
        ]  # fmt: skip
        assert sketch_columns(100, 10**6) == 100
        assert sketch_columns(64, 10**8) == 64

    def test_progress_ends_at_one(self):
        seen = []
        rank_pool(**campaign(), progress=lambda share, text: seen.append((share, text)))
        assert [share for share, _ in seen] == sorted(share for share, _ in seen)
        assert seen[-1] == (1.0, "done")


class TestReasons:
    def test_a_chosen_pick_tells_gain_surroundings_and_price(self):
        ranking = rank_pool(**campaign())
        first = ranking.recommendations[0]
        pick = first.pick
        assert f"from {pick.sd_before:.2f} g to {pick.sd_after:.2f} g" in first.reason
        assert f"nearest labelled: T-{first.nearest_labelled}, {first.distance:.2f}" in first.reason
        assert f"it costs {pick.acquisition_cost:,.0f} USD." in first.reason
        assert "as a simulation " in first.reason or "as a physical test " in first.reason
        assert "random" not in first.reason

    def test_a_control_pick_says_that_it_is_random_and_why(self):
        last = rank_pool(**campaign()).recommendations[-1]
        assert last.reason.startswith("Control: drawn at random from 120 candidates, not for its merit")
        assert "more than chance" in last.reason

    def test_the_strategy_and_relevance_are_told(self):
        inputs = campaign()
        for strategy, words in (("random", "strategy `random` asks"), ("lcmd", "covered worst")):
            config = replace(inputs["config"], strategy=strategy)
            assert words in rank_pool(**{**inputs, "config": config}).recommendations[0].reason
        doubled = rank_pool(**{**inputs, "relevance": np.full(120, 2.0), "wording": None})
        assert "(relevance 2.00)" in doubled.recommendations[0].reason
        assert "nearest labelled: row " in doubled.recommendations[0].reason

    def test_every_verdict_has_a_sentence(self):
        assert set(SENTENCES) == set(Verdict)


class TestDesigns:
    def test_equal_designs_have_equal_ids_across_matrices(self):
        first, second = design_ids(
            np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[2.0, 3.0 + 1e-8], [-0.0, 1.0]])
        )
        assert first[0] == second[1]
        assert first[1] == second[0]
        assert first[0] != first[1]

    def test_different_designs_have_different_ids_in_every_block(self):
        random = np.random.default_rng(3)
        matrix = np.round(random.normal(size=(150_000, 3)), 1).astype(np.float32)
        (ids,) = design_ids(matrix)
        assert len(np.unique(ids)) == len(np.unique(matrix, axis=0))
        assert np.array_equal(design_ids(matrix[:100], matrix[100:])[1], ids[100:])

    def test_swapped_columns_and_the_smallest_steps_are_other_designs(self):
        (ids,) = design_ids(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.00002], [0.0, 0.0]]))
        assert len(set(ids.tolist())) == 4

    def test_distance_and_novelty_by_hand(self):
        labelled = np.array([[0.0], [1.0], [2.0], [4.0]])  # own nearest distances 1, 1, 1, 2: q50 1, q90 1.7
        found = surroundings(np.array([[0.5], [5.5], [9.0]]), labelled)
        assert found.nearest[:, 0].tolist() == [0, 3, 3]
        assert found.distance[:, 0].tolist() == [0.5, 1.5, 5.0]
        assert found.novelty == (Novelty.CLOSE, Novelty.MODERATE, Novelty.FAR)

    def test_one_labelled_sample(self):
        assert surroundings(np.array([[9.0]]), np.array([[0.0]])).distance.tolist() == [[9.0]]


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"X_pool": np.zeros((0, 6))}, EmptyPoolError, "no candidate; add designs"),
            ({"X_target": np.zeros((0, 6))}, NoTargetDomainError, "mark samples as validation"),
            ({"X_labelled": np.zeros((0, 6))}, InvalidProblemError, "add at least one result"),
            ({"X_pool": np.full((120, 6), np.nan)}, InvalidProblemError, "X_pool is not finite in row 0"),
            ({"X_target": np.zeros((3, 5))}, InvalidProblemError, "the surrogate takes 6 columns"),
            ({"acquisition_cost": np.zeros(120)}, InvalidProblemError, "declare what each candidate costs"),
            ({"predicted": np.full(120, np.inf)}, InvalidProblemError, "predicted is not finite in row 0"),
            ({"X_pool": np.full((120, 6), 1e300)}, InvalidProblemError, "X_pool is not finite in row 0"),
        ],
    )
    def test_a_wrong_input_is_named(self, changes, error, message):
        with pytest.raises(error, match=message):
            rank_pool(**campaign() | changes)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"strategy": "oracle"}, UnknownStrategyError),
            ({"budget": 10.0}, BudgetTooSmallError),
            ({"batch_size": 0}, InvalidProblemError),
            ({"sketch_dimension": 0}, InvalidProblemError),
        ],
    )
    def test_a_wrong_configuration_is_named(self, changes, error):
        inputs = campaign()
        with pytest.raises(error):
            rank_pool(**{**inputs, "config": replace(inputs["config"], **changes)})
        assert issubclass(error, AcquisitionError)

    @pytest.mark.parametrize("name", ["noise_variance", "target_scale"])
    def test_scales_are_positive(self, name):
        with pytest.raises(InvalidProblemError, match=f"{name} is -1"):
            RankingConfig(**{name: -1})

    def test_everything_is_pending(self):
        inputs = campaign()
        with pytest.raises(NothingEligibleError):
            rank_pool(**{**inputs, "X_pending": inputs["X_pool"]})
