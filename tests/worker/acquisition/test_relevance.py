"""Transport relevance: above 1 exactly where more mass would lower the transport cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.ranking import RankingConfig, rank_pool
from worker.acquisition.relevance import transport_relevance
from worker.lossval.network import EnsembleNetwork
from worker.lossval.transport import solve_transport


def cloud(seed: int, count: int, centre: float, columns: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, columns, generator=generator, dtype=torch.float64) * 0.7 + centre


def relevance(candidates: Tensor, known: Tensor, target: Tensor, strength: float = 0.5, precision=None):
    weights = np.ones(len(known)) if precision is None else precision
    generator = torch.Generator().manual_seed(0)
    return transport_relevance(candidates, known, weights, target, strength=strength, generator=generator)


def test_it_is_high_where_the_training_set_lacks_mass_and_low_where_it_has_too_much():
    known = torch.cat([cloud(0, 60, -2.0), cloud(1, 10, 2.0)])
    candidates = torch.cat(
        [cloud(3, 20, 2.0), cloud(4, 20, -3.5)]
    )  # in the target domain; beyond the history
    factor = relevance(candidates, known, cloud(2, 50, 2.0))
    assert (factor[:20] > 1).all()
    assert (factor[20:] < 1).all()


def test_its_sign_is_that_of_the_change_of_the_transport_cost():
    known, target = cloud(0, 40, -0.5), cloud(2, 30, 0.5)
    candidates = torch.cat([cloud(5, 8, -0.5), cloud(6, 8, 0.5)])
    factor = relevance(candidates, known, target)
    weights = torch.full((40,), 1 / 40, dtype=torch.float64)
    step = 0.02
    signs = []
    for candidate in candidates:
        costs = []
        for mass in (0.0, step):
            points = torch.cat([known, candidate.unsqueeze(0)])
            masses = torch.cat([(1 - mass) * weights, torch.tensor([mass], dtype=torch.float64)])
            generator = torch.Generator().manual_seed(0)
            costs.append(solve_transport(points, masses, target, generator=generator).cost)
        signs.append(np.sign(costs[0] - costs[1]))
    clear = np.abs(factor - 1) > 0.1  # nearer to the border the step is not small
    assert clear.sum() >= 10
    assert np.array(signs)[clear].tolist() == np.sign(factor - 1)[clear].tolist()


def test_it_stays_within_its_strength_and_grows_with_it():
    known, target, candidates = cloud(0, 40, -1.0), cloud(2, 30, 1.0), cloud(3, 50, 0.0)
    weak, strong = (relevance(candidates, known, target, strength) for strength in (0.2, 0.9))
    assert ((weak > 0.8) & (weak < 1.2)).all()
    np.testing.assert_allclose((strong - 1) / 0.9, (weak - 1) / 0.2)


def test_other_candidates_do_not_change_the_side_of_one():
    known, target, candidates = cloud(0, 40, -0.5), cloud(2, 30, 0.5), cloud(3, 50, 0.0)
    alone = relevance(candidates[:5], known, target)
    assert np.sign(alone - 1).tolist() == np.sign(relevance(candidates, known, target)[:5] - 1).tolist()


def test_mass_that_is_doubted_or_pending_counts_as_such():
    known, target = torch.cat([cloud(0, 30, -2.0), cloud(1, 30, 2.0)]), cloud(2, 50, 2.0)
    there = cloud(3, 10, 2.0)
    far = cloud(4, 10, -2.0)
    doubted = np.r_[np.ones(30), np.full(30, 0.01)]  # those that lie in the target domain
    candidates = torch.cat([there, far])
    trusted = relevance(candidates, known, target)[:10].mean()
    # the pool's scale is the same in both: what differs is how much is lacking against the mean
    assert relevance(candidates, known, target, precision=doubted)[:10].mean() > trusted


def test_candidates_that_are_all_alike_are_neutral_or_equal():
    known = cloud(0, 20, 0.0)
    same = torch.zeros(5, 2, dtype=torch.float64)
    assert len(set(relevance(same, known, cloud(2, 20, 1.0)).tolist())) == 1
    point = torch.zeros(1, 2, dtype=torch.float64)
    assert relevance(point, point, point).tolist() == [1.0]


class TestRankPool:
    def inputs(self, **changes) -> dict:
        random = np.random.default_rng(0)
        labelled, target = random.normal(-1, 1, (30, 3)), random.normal(1, 1, (20, 3))
        return {
            "network": EnsembleNetwork(3, 3, [8], 1, generator=torch.Generator().manual_seed(0)),
            "X_labelled": labelled,
            "label_precision": np.ones(30),
            "X_pool": random.normal(0, 1.5, (60, 3)),
            "X_pending": np.zeros((0, 3)),
            "X_target": target,
            "acquisition_cost": np.ones(60),
            "source": np.zeros(60),
            "relevance": None,
            "predicted": np.zeros(60),
            "predicted_std": np.ones(60),
            "config": RankingConfig(batch_size=5, sketch_dimension=48),
            "seed": 1,
        } | changes

    def test_strength_0_solves_nothing_and_gives_the_same_bytes(self):
        # labels without any weight cannot be transported: with strength 0 nobody asks
        inputs = self.inputs(label_precision=np.zeros(30))
        assert rank_pool(**inputs).selection.picks[0].relevance == 1.0
        with pytest.raises(InvalidProblemError, match=r"precision 0.*set relevance_strength to 0"):
            rank_pool(**inputs | {"config": replace(inputs["config"], relevance_strength=0.5)})
        plain, neutral = rank_pool(**self.inputs()), rank_pool(**self.inputs(relevance=np.ones(60)))
        assert plain.recommendations == neutral.recommendations

    def test_it_multiplies_the_gain_and_what_was_given(self):
        inputs = self.inputs()
        strong = {"config": replace(inputs["config"], relevance_strength=0.8)}
        plain, bent = rank_pool(**inputs), rank_pool(**inputs | strong)
        factor = bent.selection.scores / plain.selection.scores
        assert factor.min() < 0.7
        assert factor.max() > 1.3
        doubled = rank_pool(**inputs | strong | {"relevance": np.full(60, 2.0)})
        np.testing.assert_allclose(doubled.selection.scores, 2 * bent.selection.scores)
        chosen = bent.recommendations[0]
        assert f"(relevance {chosen.pick.relevance:.2f})" in chosen.reason

    def test_pending_designs_are_mass(self):
        inputs = self.inputs() | {"config": RankingConfig(sketch_dimension=48, relevance_strength=0.8)}
        there = inputs["X_target"] + 0.01
        before = rank_pool(**inputs)
        after = rank_pool(**inputs | {"X_pending": np.repeat(there, 3, axis=0)})
        near = np.argsort(((inputs["X_pool"] - 1) ** 2).sum(1))[:10]
        factor = [ranking.selection.scores / ranking.selection.information for ranking in (before, after)]
        assert (factor[1][near] < factor[0][near]).all()

    @pytest.mark.parametrize("strength", [-0.1, 1.0, float("nan")])
    def test_the_strength_is_below_1(self, strength):
        with pytest.raises(InvalidProblemError, match=r"relevance_strength is .*from 0 to below 1"):
            RankingConfig(relevance_strength=strength)
