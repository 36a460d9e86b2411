"""A round goes from step to step by rows alone, any number of processes may push it, and a crash loses nothing."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import CampaignRound, ValuationRun
from service.lifecycles import RecommendationStatus, RoundEnd, RoundStep, RunStatus
from service.rounds import steps
from service.rounds.progress import advance, advance_open
from tests.service.rounds.stepping import (
    batch,
    campaign_with_pool,
    end_ranking,
    end_valuation,
    propose,
    read,
    start,
    statuses,
    step_of,
)
from tests.support import act, add_samples, create_campaign, move, queued_messages, sample_documents

Sessions = sessionmaker[Session]
APPROVE_ALL = {"auto_approve": {}}
HOUR = timedelta(hours=1)
S = RecommendationStatus


def test_the_steps_of_a_round_decided_by_people(
    client: TestClient, sessions: Sessions, broker_url: str
) -> None:
    round_id = start(client, campaign_with_pool(client))
    assert step_of(sessions, round_id) is RoundStep.FREEZE
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.VALUE
    run_id = read(sessions, round_id).valuation_run_id
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [run_id])]
    end_valuation(sessions, round_id)
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.RANK
    ranking_id = read(sessions, round_id).acquisition_round_id
    assert queued_messages(broker_url, "gpu")[-1] == ("acquisition.rank", [ranking_id])
    end_ranking(sessions, round_id)
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.DECIDE
    first, second, third = (row.id for row in batch(sessions, round_id))
    for key in (first, second):
        move(client, key, "approve")
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.DECIDE  # one waits for its decision
    act(client, third, "reject", reason="we have it")
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.COLLECT
    assert statuses(sessions, round_id) == [S.ORDERED, S.ORDERED, S.REJECTED]
    assert queued_messages(broker_url, "cpu") == [("simulation.run", [first]), ("simulation.run", [second])]
    move(client, first, "complete")
    advance_open(sessions)
    assert step_of(sessions, round_id) is RoundStep.COLLECT
    move(client, second, "fail")
    advance_open(sessions)
    row = read(sessions, round_id)
    assert (row.step, row.closed_reason) == (RoundStep.CLOSED, RoundEnd.COMPLETED)
    assert row.detail == "1 of 2 acquisitions gave a result"
    assert (row.stop_reason, row.closed_at is None) == (None, False)


def test_nothing_happens_twice_when_everybody_pushes(
    client: TestClient, sessions: Sessions, broker_url: str
) -> None:
    round_id = start(client, campaign_with_pool(client), **APPROVE_ALL)

    def push() -> None:
        threads = [threading.Thread(target=advance_open, args=(sessions,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        advance_open(sessions)

    push()
    end_valuation(sessions, round_id)
    push()
    end_ranking(sessions, round_id)
    push()
    assert step_of(sessions, round_id) is RoundStep.COLLECT
    assert len(queued_messages(broker_url, "gpu")) == 2
    assert len(queued_messages(broker_url, "cpu")) == 3


def crash_in(sessions: Sessions, round_id: int) -> None:
    """The process dies in the middle of the step: its transaction is never committed."""

    def half_a_step() -> None:
        with unit_of_work(sessions) as session:
            steps.take(session, round_id, datetime.now(UTC))
            session.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_a_step()


def test_a_crash_in_any_step_changes_nothing_and_the_next_push_goes_on(
    client: TestClient, sessions: Sessions, broker_url: str
) -> None:
    round_id = start(client, campaign_with_pool(client), **APPROVE_ALL)
    seen = []
    for _ in range(12):
        before, counted = step_of(sessions, round_id), len(queued_messages(broker_url, "gpu"))
        if before is RoundStep.CLOSED:
            break
        seen.append(before)
        if before is RoundStep.VALUE:
            end_valuation(sessions, round_id)
        if before is RoundStep.RANK:
            end_ranking(sessions, round_id)
        if before is RoundStep.COLLECT:
            for row in batch(sessions, round_id):
                move(client, row.id, "complete")
        crash_in(sessions, round_id)
        assert step_of(sessions, round_id) is before
        assert len(queued_messages(broker_url, "gpu")) == counted
        advance(sessions, round_id, now=datetime.now(UTC))
    assert seen == [step for step in RoundStep if step is not RoundStep.CLOSED]
    assert read(sessions, round_id).closed_reason is RoundEnd.COMPLETED
    assert len(queued_messages(broker_url, "gpu")) == 2


def test_what_nobody_decides_expires(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client), decide_within_hours=24)
    propose(client, sessions, round_id)
    move(client, batch(sessions, round_id)[0].id, "approve")
    advance_open(sessions, now=datetime.now(UTC) + 23 * HOUR)
    assert statuses(sessions, round_id)[1:] == [S.PROPOSED] * 2
    advance_open(sessions, now=datetime.now(UTC) + 25 * HOUR)
    assert statuses(sessions, round_id) == [S.ORDERED, S.EXPIRED, S.EXPIRED]
    assert step_of(sessions, round_id) is RoundStep.COLLECT


def test_a_round_without_a_yes_ends(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client), decide_within_hours=0)
    propose(client, sessions, round_id)
    row = read(sessions, round_id)
    assert (row.step, row.closed_reason) == (RoundStep.CLOSED, RoundEnd.NOTHING_APPROVED)


def test_results_after_the_deadline_are_taken_all_the_same(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client), **APPROVE_ALL, collect_within_hours=48)
    propose(client, sessions, round_id)
    first, second, _ = (row.id for row in batch(sessions, round_id))
    move(client, first, "complete")
    advance_open(sessions, now=datetime.now(UTC) + 49 * HOUR)
    row = read(sessions, round_id)
    assert (row.step, row.closed_reason) == (RoundStep.CLOSED, RoundEnd.PARTIAL)
    assert row.detail == "1 of 3 acquisitions gave a result before the deadline"
    move(client, second, "complete")
    assert statuses(sessions, round_id) == [S.COMPLETED, S.COMPLETED, S.ORDERED]


def test_an_empty_ranking_ends_the_round(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client))
    propose(client, sessions, round_id, size=0)
    assert read(sessions, round_id).closed_reason is RoundEnd.NOTHING_PROPOSED


def test_a_failed_run_ends_the_round_with_its_reason(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client), continue_until_stop=True)
    advance_open(sessions)
    with unit_of_work(sessions) as session:
        run = session.get_one(ValuationRun, session.get_one(CampaignRound, round_id).valuation_run_id)
        run.status, run.error_message = RunStatus.FAILED, "the labels do not vary"
    advance_open(sessions)
    row = read(sessions, round_id)
    assert (row.step, row.closed_reason) == (RoundStep.CLOSED, RoundEnd.FAILED)
    assert f"valuation run {row.valuation_run_id} failed: the labels do not vary" in row.detail
    assert row.stop_reason.startswith("The round ended as failed")


def test_too_few_labels_end_the_round_with_what_to_do(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, create_campaign(client))
    advance_open(sessions)
    row = read(sessions, round_id)
    assert row.closed_reason is RoundEnd.FAILED
    assert "step freeze: The campaign has 0 labelled samples" in row.detail
    assert "POST .../samples:bulk" in row.detail


@pytest.mark.parametrize(
    ("rules", "approved"),
    [
        ({}, 4),
        ({"sources": ["full_vehicle"]}, 1),
        ({"sources": ["simulation"]}, 3),
        ({"most_acquisition_cost": "2000"}, 3),
        ({"budget": "4000"}, 2),
        ({"budget": "1"}, 0),
        ({"least_expected_gain": 0.25}, 2),
    ],
)
def test_the_rules_approve_what_they_allow(
    client: TestClient, sessions: Sessions, rules: dict[str, Any], approved: int
) -> None:
    campaign_id = campaign_with_pool(client)
    add_samples(client, campaign_id, sample_documents(1))
    round_id = start(client, campaign_id, auto_approve=rules)
    propose(client, sessions, round_id, size=4, gains=(0.3, 0.25, 0.2))
    found = statuses(sessions, round_id)
    assert sum(status is not S.PROPOSED for status in found) == approved
    assert {status for status in found if status is not S.PROPOSED} <= {S.ORDERED, S.APPROVED}


def test_the_rules_keep_the_budget_of_the_campaign(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client, budget="5000"), **APPROVE_ALL)
    propose(client, sessions, round_id)
    assert statuses(sessions, round_id) == [S.APPROVED, S.APPROVED, S.PROPOSED]


def test_capacity_lets_simulations_go_one_after_the_other(client: TestClient, sessions: Sessions) -> None:
    sources = [{"name": "full_vehicle", "kind": "physical_test", "acquisition_cost": "300000"},
               {"name": "simulation", "kind": "simulation", "acquisition_cost": "2000", "capacity": 1,
                "oracle": "occupant_model"}]  # fmt: skip
    round_id = start(client, campaign_with_pool(client, sources=sources), **APPROVE_ALL)
    propose(client, sessions, round_id)
    assert statuses(sessions, round_id) == [S.ORDERED, S.APPROVED, S.APPROVED]
    move(client, batch(sessions, round_id)[0].id, "complete")
    advance_open(sessions)
    assert statuses(sessions, round_id) == [S.COMPLETED, S.ORDERED, S.APPROVED]


def test_a_lost_simulation_message_is_sent_again(
    client: TestClient, sessions: Sessions, broker_url: str
) -> None:
    round_id = start(client, campaign_with_pool(client), **APPROVE_ALL)
    propose(client, sessions, round_id)
    assert len(queued_messages(broker_url, "cpu")) == 3
    advance_open(sessions, now=datetime.now(UTC) + steps.NUDGE_AFTER / 2)
    assert len(queued_messages(broker_url, "cpu")) == 3
    later = datetime.now(UTC) + 2 * steps.NUDGE_AFTER
    advance_open(sessions, now=later)
    advance_open(sessions, now=later + timedelta(seconds=5))
    assert len(queued_messages(broker_url, "cpu")) == 6


def complete_all(client: TestClient, sessions: Sessions, round_id: int) -> None:
    for row in batch(sessions, round_id):
        move(client, row.id, "complete")
    advance_open(sessions)


def following(client: TestClient, sessions: Sessions, round_id: int) -> CampaignRound | None:
    with sessions() as session:
        return session.query(CampaignRound).filter_by(follows_id=round_id).one_or_none()


GO_ON = {**APPROVE_ALL, "continue_until_stop": True}


def test_a_round_follows_with_the_next_number_and_seed(client: TestClient, sessions: Sessions) -> None:
    first = start(client, campaign_with_pool(client, candidates=5), **GO_ON, seed=7)
    propose(client, sessions, first)
    complete_all(client, sessions, first)
    second = following(client, sessions, first)
    assert (second.number, second.step) == (2, RoundStep.VALUE)
    with sessions() as session:
        seeds = [run.seed for run in session.query(ValuationRun).order_by(ValuationRun.id)]
    assert seeds == [7, 8]
    assert read(sessions, first).stop_reason is None


@pytest.mark.parametrize(
    ("campaign", "configuration", "reason"),
    [
        ({"candidates": 3}, {}, "There is no candidate left."),
        ({"candidates": 5, "budget": "6000.00"}, {}, "0 USD of the budget are left"),
        (
            {"candidates": 5, "budget": "7000.00"},
            {},
            "1,000 USD of the budget are left, less than the cheapest",
        ),
        ({"candidates": 5}, {"stop_at_rmse": 3.5}, "within the target of 3.5 g"),
        ({"candidates": 5}, {"most_rounds": 1}, "its most of 1 rounds"),
    ],
)
def test_the_stop_rule_ends_the_row(
    client: TestClient, sessions: Sessions, campaign: Any, configuration: Any, reason: str
) -> None:
    round_id = start(client, campaign_with_pool(client, **campaign), **GO_ON, **configuration)
    propose(client, sessions, round_id)
    complete_all(client, sessions, round_id)
    assert reason in read(sessions, round_id).stop_reason
    assert following(client, sessions, round_id) is None


def test_a_round_without_any_result_is_not_followed(client: TestClient, sessions: Sessions) -> None:
    round_id = start(client, campaign_with_pool(client, candidates=5), **GO_ON)
    propose(client, sessions, round_id)
    for row in batch(sessions, round_id):
        move(client, row.id, "fail")
    advance_open(sessions)
    assert read(sessions, round_id).stop_reason == "The round brought no result."


def test_a_round_that_cannot_go_on_is_noted_and_does_not_keep_the_others(
    client: TestClient, sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = start(client, campaign_with_pool(client)), start(client, campaign_with_pool(client))
    with unit_of_work(sessions) as session:
        session.get_one(CampaignRound, broken).configuration = {"seed": "none"}
    advance_open(sessions)
    assert step_of(sessions, sound) is RoundStep.VALUE
    row = read(sessions, broken)
    assert (row.step, row.detail.split(":")[0]) == (RoundStep.FREEZE, "could not go on, tried again")
    assert f"round {broken} could not go on" in caplog.text
