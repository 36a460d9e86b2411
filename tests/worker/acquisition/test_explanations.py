"""What a recommendation says for itself: components, neighbours, the region that it serves, a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.acquisition.errors import InjectionError, InvalidProblemError, NothingEligibleError
from worker.acquisition.problem import Arm
from worker.acquisition.ranking import RankingConfig, rank_pool
from worker.acquisition.reasons import Wording
from worker.acquisition.regions import FeatureWording, RegionWording
from worker.acquisition.strategies import STRATEGIES, strategy_named
from worker.lossval.network import EnsembleNetwork

POINTS = 12
SPEEDS = tuple(float(speed) for speed in np.linspace(40, 64, POINTS))


def round_inputs(**changes) -> dict:
    random = np.random.default_rng(5)
    target = random.normal(size=(POINTS, 4))
    target[:, 0] = np.linspace(-2, 2, POINTS)  # the encoded speed
    region = RegionWording(
        load_case=("full frontal",) * 6 + ("offset",) * 6,
        features=(FeatureWording("impact_speed_kmh", "km/h", SPEEDS),),
    )
    return {
        "network": EnsembleNetwork(3, 4, [12], 1, generator=torch.Generator().manual_seed(0)),
        "X_labelled": random.normal(size=(15, 4)),
        "label_precision": random.uniform(0.5, 1.5, 15),
        "X_pool": random.normal(size=(40, 4)),
        "X_pending": np.zeros((0, 4)),
        "X_target": target,
        "acquisition_cost": random.uniform(1, 10, 40),
        "source": np.zeros(40),
        "relevance": None,
        "predicted": np.zeros(40),
        "predicted_std": np.ones(40),
        "config": RankingConfig(batch_size=6, sketch_dimension=60, target_scale=4.0, budget=60.0),
        "seed": 1,
        "labelled_targets": np.arange(15) + 20.0,
        "wording": Wording("g", "USD", ("physical_test",), tuple(f"T-{row}" for row in range(15)), region),
    } | changes


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_what_each_target_point_gains_adds_up_to_the_information(name, make_problem):
    problem = make_problem(control_fraction=0.4, injected=np.array([9]), candidate_precision=np.full(30, 2.0))
    selection = strategy_named(name).select(problem)
    assert selection.served.shape == (5, 6)
    assert (selection.served >= 0).all()
    told = [pick.information for pick in selection.picks]
    np.testing.assert_allclose(selection.served.mean(axis=1), told, rtol=1e-9)


def test_the_fall_at_each_point_by_hand(make_problem):
    # prior variance of the points 4 and 9; after x = 1 with sigma^2 = 1 half of it
    problem = make_problem(m=1, n=0, p=1, noise_variance=1.0)
    points = torch.tensor([[2.0], [3.0]], dtype=torch.float64)
    problem = replace(problem, candidates=torch.ones(1, 1, dtype=torch.float64), target=points)
    selection = strategy_named("variance_reduction").select(problem)
    np.testing.assert_allclose(selection.served, [[2.0, 4.5]])


class TestRecommendation:
    def test_its_components_fit_together(self):
        ranking = rank_pool(**round_inputs())
        batch = ranking.recommendations
        assert sum(one.gain_share for one in batch) == pytest.approx(1.0)
        for one in batch:
            pick = one.pick
            assert pick.information == pytest.approx(pick.sd_before**2 - pick.sd_after**2)
            assert pick.price_share == pytest.approx(pick.acquisition_cost / 60.0)
            if pick.arm is Arm.CHOSEN:
                assert pick.score == pytest.approx(pick.information / pick.price_share**0.5, rel=1e-4)
        assert (
            max(one.gain_share for one in batch)
            == max(batch, key=lambda one: one.pick.information).gain_share
        )

    def test_without_a_budget_there_is_no_price_share(self):
        inputs = round_inputs()
        ranking = rank_pool(**inputs | {"config": replace(inputs["config"], budget=None)})
        assert {one.pick.price_share for one in ranking.recommendations} == {None}

    def test_it_names_the_three_nearest_labelled_samples(self):
        inputs = round_inputs()
        for one in rank_pool(**inputs).recommendations:
            differences = inputs["X_labelled"] - inputs["X_pool"][one.pick.index]
            distance = np.sqrt((differences**2).mean(axis=1))
            nearest = np.argsort(distance)[:3]
            assert [near.row for near in one.neighbours] == nearest.tolist()
            assert [near.name for near in one.neighbours] == [f"T-{row}" for row in nearest]
            assert [near.distance for near in one.neighbours] == pytest.approx(distance[nearest], rel=1e-5)
            assert [near.target for near in one.neighbours] == (nearest + 20.0).tolist()
            assert [near.precision for near in one.neighbours] == inputs["label_precision"][nearest].tolist()
            assert (one.nearest_labelled, one.distance) == (one.neighbours[0].row, one.neighbours[0].distance)

    def test_it_says_which_region_it_serves(self):
        inputs = round_inputs()
        pool = np.zeros((2, 4))
        pool[:, 0] = [-2.5, 2.5]  # a slow and a fast one
        target = inputs["X_target"].copy()
        target[:, 1:] = 0.0
        network = EnsembleNetwork(3, 4, [64], 1, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            network.weights[0].mul_(4.0)  # bends enough for the ends of the range to be far from each other
        changes = {
            name: inputs[name][:2] for name in ("acquisition_cost", "source", "predicted", "predicted_std")
        }
        config = RankingConfig(batch_size=2, control_fraction=0.0, target_scale=4.0, sketch_dimension=300)
        ranking = rank_pool(
            **inputs | changes | {"X_pool": pool, "X_target": target, "config": config, "network": network}
        )
        by_row = {one.pick.index: one for one in ranking.recommendations}
        assert by_row[0].region.load_case == "full frontal"
        assert by_row[1].region.load_case == "offset"
        for one in by_row.values():
            assert f"Region served: load case {one.region.load_case} (" in one.reason
            assert "km/h" in one.reason

    def test_one_labelled_sample_is_the_only_neighbour(self):
        inputs = round_inputs(
            X_labelled=np.zeros((1, 4)), label_precision=np.ones(1), labelled_targets=None, wording=None
        )
        for one in rank_pool(**inputs).recommendations:
            assert [(near.name, near.target) for near in one.neighbours] == [("row 0", None)]

    def test_targets_that_do_not_belong_to_the_labels_are_refused(self):
        with pytest.raises(InvalidProblemError, match=r"labelled_targets has shape \(3,\); expected \(15,\)"):
            rank_pool(**round_inputs(labelled_targets=np.ones(3)))


class TestWishes:
    def test_an_injected_design_says_so_and_leads(self):
        ranking = rank_pool(**round_inputs(injected=[31, 2], vetoed=[5]))
        first, second = ranking.recommendations[:2]
        assert (first.pick.index, second.pick.index) == (31, 2)
        assert first.reason.startswith("Injected: in the batch because it was asked for, not for its merit.")
        assert first.pick.score == 0.0
        assert first.pick.selection_probability == 1.0

    def test_the_guard_s_leader_says_so_behind_an_injected_design(self):
        inputs = round_inputs(injected=[3], source=np.r_[np.zeros(1), np.ones(39)])
        inputs["X_pool"] = inputs["X_pool"].copy() * 0.01
        inputs["X_pool"][0] = inputs["X_target"].mean(axis=0) * 3
        inputs["acquisition_cost"] = np.r_[40.0, np.full(39, 1e-4)]
        config = replace(inputs["config"], cost_exponent=1.0, control_fraction=0.0)
        ranking = rank_pool(**inputs | {"config": config})
        assert ranking.selection.led_by_single, "the round is made so that the guard leads"
        assert [one.pick.index for one in ranking.recommendations[:2]] == [3, 0]
        assert ranking.recommendations[1].reason.startswith("Comes first because it alone is worth more")
        assert "Comes first" not in ranking.recommendations[0].reason

    def test_rules_of_the_configuration_reach_the_batch(self):
        inputs = round_inputs(source=np.arange(40) % 3, group=np.arange(40) % 7)
        config = replace(
            inputs["config"],
            source_quotas={0: 1},
            source_capacity={1: 1},
            source_lead_time_hours={2: 72.0},
            longest_lead_time_hours=24.0,
            most_per_group=1,
        )
        picks = [one.pick.index for one in rank_pool(**inputs | {"config": config}).recommendations]
        assert sorted(inputs["source"][picks]) == [0, 1]
        assert len({row % 7 for row in picks}) == 2
        least = replace(inputs["config"], source_minimums={2: 5})
        picks = [one.pick.index for one in rank_pool(**inputs | {"config": least}).recommendations]
        assert list(inputs["source"][picks]).count(2) >= 5

    def test_wrong_wishes_are_named(self):
        with pytest.raises(
            InjectionError, match="Row 4 of the pool cannot be injected: such rows are vetoed"
        ):
            rank_pool(**round_inputs(injected=[4], vetoed=[4]))
        with pytest.raises(NothingEligibleError, match="All 40 candidates are vetoed"):
            rank_pool(**round_inputs(vetoed=range(40)))
        with pytest.raises(InvalidProblemError, match="group has shape"):
            rank_pool(**round_inputs(group=[1, 2]))
