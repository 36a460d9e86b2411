"""The regret ledger on rows that can be checked by hand."""

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Recommendation, Surrogate
from service.ledger.arms import compare_arms
from service.ledger.repository import PickRow
from service.lifecycles import RecommendationStatus
from service.vocabulary import Arm
from tests.service.ledger.rows import Pick, Sessions, add_round, add_surrogate
from tests.support import API, assert_problem, create_campaign


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def ledger(client: TestClient, campaign_id: int) -> dict[str, Any]:
    response = client.get(f"{API}/campaigns/{campaign_id}/regret-ledger")
    assert response.status_code == 200, response.text
    return response.json()


BATCH = [
    Pick(20.0, 23.0),
    Pick(20.0, 21.0),
    Pick(30.0, status=RecommendationStatus.APPROVED),
    Pick(30.0, status=RecommendationStatus.FAILED),
    Pick(20.0, 22.0, arm=Arm.CONTROL, probability=0.25),
]


def test_a_campaign_without_rounds_has_an_empty_ledger(client: TestClient, campaign_id: int) -> None:
    found = ledger(client, campaign_id)
    assert (found["rounds"], found["realised_gain"]) == ([], None)
    assert found["total"] == {"proposed": 0, "results": 0, "spent": "0", "committed": "0"}
    assert_problem(client.get(f"{API}/campaigns/77/regret-ledger"), 404, "not_found")


def test_predicted_against_realised_gain(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    before = add_surrogate(sessions, campaign_id, 3.0)
    ids = add_round(sessions, campaign_id, before, BATCH, target_sd_before=2.4, target_sd_after=1.8)
    after = add_surrogate(sessions, campaign_id, 2.5, learned=[ids[0], ids[1], ids[4]])
    (entry,) = ledger(client, campaign_id)["rounds"]
    # three results of 0.5 squared g each: sqrt(9 - 1.5)
    assert entry["predicted"]["rmse_after"] == pytest.approx(7.5**0.5)
    assert entry["predicted"]["gain"] == pytest.approx(3.0 - 7.5**0.5)
    assert entry["predicted"]["error_at_results"] == 2.0
    assert (entry["predicted"]["target_sd_before"], entry["predicted"]["target_sd_after"]) == (2.4, 1.8)
    realised = entry["realised"]
    assert (realised["rmse_before"], realised["rmse_after"], realised["gain"]) == (3.0, 2.5, 0.5)
    assert (realised["comparable"], realised["surrogate_id"], realised["results_learned"]) == (True, after, 3)
    assert realised["error_at_results"] == pytest.approx((14 / 3) ** 0.5)
    assert entry["calibration"] == pytest.approx((14 / 3) ** 0.5 / 2)
    assert entry["regret"] == pytest.approx(3.0 - 7.5**0.5 - 0.5)
    assert realised["note"] == ""


def test_money_and_arms_of_a_round(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    add_round(sessions, campaign_id, add_surrogate(sessions, campaign_id, 3.0), BATCH)
    (entry,) = ledger(client, campaign_id)["rounds"]
    assert entry["balance"] == {"proposed": 5, "results": 3, "spent": "1200000.00", "committed": "300000.00"}
    chosen, control = entry["arms"]["chosen"], entry["arms"]["control"]
    assert (chosen["picks"], chosen["results"], chosen["mean_squared_error"]) == (4, 2, 5.0)
    assert (control["picks"], control["results"], control["mean_squared_error"]) == (1, 1, 4.0)
    assert entry["arms"]["ratio"] == 1.25
    assert entry["arms"]["interval"] is None
    assert "5 of each are needed" in entry["arms"]["sentence"]


def test_before_a_result_and_before_a_valuation_nothing_is_claimed(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    surrogate_id = add_surrogate(sessions, campaign_id, 3.0)
    add_round(sessions, campaign_id, surrogate_id, [Pick(20.0)])
    add_round(sessions, campaign_id, surrogate_id, [Pick(20.0, 21.0)])
    add_surrogate(sessions, campaign_id, 2.0)  # trained on none of the results
    waiting, back = ledger(client, campaign_id)["rounds"]
    assert (waiting["predicted"]["gain"], waiting["realised"]["note"]) == (None, "No result is in yet.")
    assert back["realised"]["gain"] is None
    assert "request a valuation run" in back["realised"]["note"]
    assert (waiting["regret"], back["regret"]) == (None, None)


@pytest.mark.parametrize(
    "metrics", [{"measured_on": "out_of_fold"}, {"measured_samples": 31}, {"measured_on": "validation"}]
)
def test_errors_on_other_samples_are_told_apart(
    client: TestClient, sessions: Sessions, campaign_id: int, metrics: dict[str, Any]
) -> None:
    ids = add_round(sessions, campaign_id, add_surrogate(sessions, campaign_id, 3.0), [Pick(20.0, 21.0)])
    add_surrogate(sessions, campaign_id, 2.0, learned=ids, **metrics)
    found = ledger(client, campaign_id)
    (entry,) = found["rounds"]
    assert not entry["realised"]["comparable"]
    assert "an indication only" in entry["realised"]["note"]
    assert found["realised_gain"] is None


def test_a_round_is_judged_by_the_first_surrogate_that_knows_most_of_it(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    first = add_surrogate(sessions, campaign_id, 3.0)
    ids = add_round(sessions, campaign_id, first, [Pick(20.0, 21.0), Pick(20.0, 21.0)])
    add_surrogate(sessions, campaign_id, 2.8, learned=ids[:1])
    both = add_surrogate(sessions, campaign_id, 2.4, learned=ids)
    add_surrogate(sessions, campaign_id, 2.0, learned=ids)
    found = ledger(client, campaign_id)
    assert found["rounds"][0]["realised"]["surrogate_id"] == both
    assert found["realised_gain"] == 1.0


def test_rounds_add_up(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    surrogate_id = add_surrogate(sessions, campaign_id, 3.0)
    add_round(sessions, campaign_id, surrogate_id, BATCH)
    add_round(sessions, campaign_id, surrogate_id, [Pick(20.0, 20.5, arm=Arm.INJECTED)])
    other = create_campaign(client)
    add_round(sessions, other, add_surrogate(sessions, other, 1.0), BATCH)
    found = ledger(client, campaign_id)
    first, second = found["rounds"]
    assert first["cumulative"] == first["balance"]
    assert second["balance"]["spent"] == "300000.00"
    assert second["cumulative"] == found["total"]
    assert found["total"] == {"proposed": 6, "results": 4, "spent": "1500000.00", "committed": "300000.00"}
    assert found["total_arms"]["injected"] == {"picks": 1, "results": 1, "mean_squared_error": 0.25}
    assert found["total_arms"]["chosen"] == first["arms"]["chosen"]


def row(error: float, arm: Arm = Arm.CHOSEN, probability: float | None = None) -> PickRow:
    return PickRow(1, arm, RecommendationStatus.COMPLETED, probability, 1, {"predicted": 20.0}, 20.0 + error)


def test_the_control_arm_is_weighted_by_what_it_was_drawn_from() -> None:
    found = compare_arms([row(1.0, Arm.CONTROL, 0.5), row(3.0, Arm.CONTROL, 0.1)])
    assert found.control.mean_squared_error == pytest.approx((2 * 1 + 10 * 9) / 12)


@pytest.mark.parametrize(
    ("chosen", "control", "words"),
    [
        ([4.0, 5.0, 6.0, 5.0, 4.0, 6.0], [1.0, 1.1, 0.9, 1.0, 1.2], "more to learn"),
        ([1.0, 1.1, 0.9, 1.0, 1.2], [4.0, 5.0, 6.0, 5.0, 4.0], "less to learn"),
        ([1.0, 5.0, 0.1, 3.0, 2.0], [2.0, 0.5, 4.0, 1.0, 3.0], "No difference shown"),
    ],
)
def test_arms_differ_only_when_the_interval_says_so(
    chosen: list[float], control: list[float], words: str
) -> None:
    picks = [row(error) for error in chosen] + [row(error, Arm.CONTROL, 0.1) for error in control]
    found = compare_arms(picks)
    assert words in found.sentence
    assert found.interval[0] <= found.ratio <= found.interval[1]
    assert compare_arms(picks) == found


def test_error_against_money(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    first = add_surrogate(
        sessions, campaign_id, 3.0, serving="plain", holdout={"q95_error": 6.0, "max_error": 9.0}
    )
    ids = add_round(sessions, campaign_id, first, BATCH)
    second = add_surrogate(sessions, campaign_id, 2.5, learned=[ids[0], ids[4]], measured_on="out_of_fold")
    _fail_at(sessions, campaign_id, ids[3], second)
    third = add_surrogate(sessions, campaign_id, 2.0, learned=[ids[0], ids[1], ids[4]])
    add_surrogate(sessions, campaign_id, None)
    points = ledger(client, campaign_id)["error_curve"]
    assert [point["surrogate_id"] for point in points] == [first, second, third]
    assert [(point["results"], float(point["acquisition_cost"])) for point in points] == [
        (0, 0.0), (2, 600_000.0), (3, 1_200_000.0),
    ]  # fmt: skip
    assert [(point["rmse"], point["q95_error"], point["measured_on"]) for point in points] == [
        (3.0, 6.0, "holdout"), (2.5, None, "out_of_fold"), (2.0, None, "holdout"),
    ]  # fmt: skip


def _fail_at(sessions: Sessions, campaign_id: int, sample_id: int, surrogate_id: int) -> None:
    """The failed acquisition was given up just after this surrogate was trained."""
    with unit_of_work(sessions) as session:
        row = session.query(Recommendation).filter_by(campaign_id=campaign_id, sample_id=sample_id).one()
        row.changed_at = session.get_one(Surrogate, surrogate_id).created_at + timedelta(milliseconds=1)
        time.sleep(0.002)


def test_equal_weights_give_the_same_interval_as_written_out() -> None:
    """The short cut for equal weights is the weighted mean."""
    picks = [
        PickRow(
            1, arm, RecommendationStatus.COMPLETED, probability, Decimal(1), {"predicted": 0.0}, float(value)
        )
        for arm, probability in ((Arm.CHOSEN, None), (Arm.CONTROL, 0.25))
        for value in range(1, 9)
    ]
    uneven = [replace(pick, selection_probability=0.25 + 1e-12 * index) if pick.arm is Arm.CONTROL else pick
              for index, pick in enumerate(picks)]  # fmt: skip
    assert compare_arms(picks).interval == pytest.approx(compare_arms(uneven).interval, rel=1e-9)
