"""When to stop, and how much choosing can still help."""

import math
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import AuditEvent, Surrogate
from service.ledger.benefit import LAPLACE, NORMAL, benefit_of
from service.ledger.schemas import Band
from service.ledger.stop_rule import stop_reason
from service.lifecycles import RecommendationStatus
from service.samples import service as samples
from tests.service.ledger.rows import Pick, Sessions, add_round, add_surrogate
from tests.support import API, add_samples, assert_problem, create_campaign, pointers, sample_documents

GAIN = {"target_sd_before": 2.0, "target_sd_after": 1.5}


def read(client: TestClient, campaign_id: int) -> dict[str, Any]:
    response = client.get(f"{API}/campaigns/{campaign_id}/stop-rule")
    assert response.status_code == 200, response.text
    return response.json()


def reached(found: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["reached"] for check in found["checks"]}


def campaign(client: TestClient, *, candidates: int = 2, **document: Any) -> int:
    key = create_campaign(client, **document)
    if candidates:
        add_samples(client, key, sample_documents(candidates))
    return key


def reason(sessions: Sessions, campaign_id: int) -> str | None:
    with sessions() as session:
        return stop_reason(session, campaigns.get(session, campaign_id))


def test_without_a_rule_a_campaign_goes_on_while_there_is_something_to_buy(
    client: TestClient, sessions: Sessions
) -> None:
    key = campaign(client)
    found = read(client, key)
    assert found["state"] == "go_on"
    assert reached(found) == {
        "target_error": None, "budget": None, "candidates": False, "expected_gain": None,
    }  # fmt: skip
    assert found["rule"] == {"target_error": None, "value_per_unit": None}
    assert reason(sessions, key) is None


def test_no_candidate_left_is_a_reason(client: TestClient, sessions: Sessions) -> None:
    key = campaign(client, candidates=0)
    assert read(client, key)["reason"] == "There is no candidate left."
    add_round(sessions, key, add_surrogate(sessions, key, 3.0), [Pick(20.0)])
    assert reason(sessions, key) is None  # its result is awaited


def test_a_repetition_alone_keeps_no_campaign_going(client: TestClient, sessions: Sessions) -> None:
    key = campaign(client, candidates=0)
    (labelled,) = add_samples(client, key, sample_documents(1, target=26.0))
    with unit_of_work(sessions) as session:
        samples.add_repetitions(session, campaigns.get(session, key), [labelled], actor="test")
    assert reason(sessions, key) == "There is no candidate left."


@pytest.mark.parametrize(("rmse", "stops"), [(2.0, True), (2.01, False)])
def test_the_target_error_stops(client: TestClient, sessions: Sessions, rmse: float, stops: bool) -> None:
    key = campaign(client, stop_rule={"target_error": 2.0})
    assert reached(read(client, key))["target_error"] is None
    add_surrogate(sessions, key, rmse)
    found = read(client, key)
    assert reached(found)["target_error"] is stops
    assert (found["state"] == "stop") is stops
    assert f"The RMSE is {rmse:.3g} g on holdout" in found["reason"]


def test_the_newest_surrogate_counts(client: TestClient, sessions: Sessions) -> None:
    key = campaign(client, stop_rule={"target_error": 2.0})
    add_surrogate(sessions, key, 1.0)
    add_surrogate(sessions, key, 3.0)
    assert reason(sessions, key) is None


@pytest.mark.parametrize(("budget", "stops"), [("300000", False), ("299999", True), ("0", True)])
def test_a_budget_below_every_price_stops(client: TestClient, budget: str, stops: bool) -> None:
    found = read(client, campaign(client, budget=budget))
    assert reached(found)["budget"] is stops
    assert (found["state"] == "stop") is stops


def test_committed_money_is_gone(client: TestClient, sessions: Sessions) -> None:
    key = campaign(client, budget="500000")
    approved = Pick(20.0, status=RecommendationStatus.APPROVED)
    add_round(sessions, key, add_surrogate(sessions, key, 3.0), [approved])
    assert "200,000 USD of the budget are left, less than" in reason(sessions, key)


@pytest.mark.parametrize(("value", "stops"), [("600000", False), ("599999", True)])
def test_a_gain_below_the_cheapest_price_stops(
    client: TestClient, sessions: Sessions, value: str, stops: bool
) -> None:
    key = campaign(client, stop_rule={"value_per_unit": value})
    assert reached(read(client, key))["expected_gain"] is None
    surrogate_id = add_surrogate(sessions, key, 3.0)
    add_round(sessions, key, surrogate_id, [Pick(20.0, components=GAIN | {"target_sd_after": 0.0})])
    small = GAIN | {"target_sd_after": 1.9}
    add_round(sessions, key, surrogate_id, [Pick(20.0, components=small), Pick(20.0, components=GAIN)])
    found = read(client, key)
    assert reached(found)["expected_gain"] is stops
    assert (found["state"] == "stop") is stops
    assert "lowers the predictive sd by 0.5 g" in found["reason"]


def test_the_rule_is_replaced_and_the_change_is_kept(client: TestClient, sessions: Sessions) -> None:
    key = campaign(client, stop_rule={"target_error": 2.0})
    response = client.put(f"{API}/campaigns/{key}/stop-rule", json={"value_per_unit": "5"})
    assert response.json()["rule"] == {"target_error": None, "value_per_unit": "5"}
    assert read(client, key)["rule"] == response.json()["rule"]
    assert client.get(f"{API}/campaigns/{key}").json()["stop_rule"] == response.json()["rule"]
    with sessions() as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
        assert (event.action, event.before["target_error"]) == ("set_stop_rule", 2.0)


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"target_error": 0}, "/target_error"),
        ({"value_per_unit": "-1"}, "/value_per_unit"),
        ({"target": 2}, "/target"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(
    client: TestClient, rule: dict[str, Any], pointer: str
) -> None:
    response = client.put(f"{API}/campaigns/{campaign(client)}/stop-rule", json=rule)
    assert list(pointers(assert_problem(response, 422, "invalid_input"))) == [pointer]


def test_an_unknown_campaign_is_404(client: TestClient) -> None:
    assert_problem(client.get(f"{API}/campaigns/77/stop-rule"), 404, "not_found")


def surrogate(rmse: float, mae: float, rows: int = 50) -> Surrogate:
    return Surrogate(metrics={"measured_on": "holdout", "holdout": {"rmse": rmse, "mae": mae, "rows": rows}})


def test_the_limits_of_the_gauge_are_those_of_known_errors() -> None:
    # E|x| of a standard normal is sqrt(2 / pi); of a Laplace with standard deviation sqrt(2) it is 1
    assert pytest.approx(math.log(1 / math.sqrt(2 / math.pi))) == NORMAL
    assert pytest.approx(math.log(math.sqrt(2))) == LAPLACE


@pytest.mark.parametrize(
    ("rmse", "band"), [(1.0, Band.LOW), (1.25, Band.LOW), (1.3, Band.MEDIUM), (1.5, Band.HIGH)]
)
def test_the_gauge_rises_with_the_tail_of_the_errors(rmse: float, band: Band) -> None:
    found = benefit_of(surrogate(rmse, 1.0))
    assert found.band is band
    assert found.log_rmse_over_mae == pytest.approx(math.log(rmse))
    assert "only" not in found.sentence


def test_the_gauge_says_when_it_rests_on_little() -> None:
    assert "Judged by 6 errors only." in benefit_of(surrogate(1.3, 1.0, rows=6)).sentence


def test_the_gauge_takes_the_network_that_serves() -> None:
    reports = {"plain": {"rmse": 9.0, "mae": 1.0}, "weighted": {"rmse": 1.0, "mae": 1.0}}
    metrics = {"measured_on": "out_of_fold", "serving": "weighted", "out_of_fold": reports}
    assert benefit_of(Surrogate(metrics=metrics)).log_rmse_over_mae == 0.0


@pytest.mark.parametrize("metrics", [{}, {"measured_on": "holdout", "holdout": {"rmse": 1.0}}])
def test_what_was_not_measured_is_unknown(metrics: dict[str, Any]) -> None:
    assert benefit_of(Surrogate(metrics=metrics)).band is Band.UNKNOWN
    assert benefit_of(None).band is Band.UNKNOWN
