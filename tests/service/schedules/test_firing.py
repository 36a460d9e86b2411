"""The clock: each due time once, whoever ticks; misfires, open rounds, labels and dates."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Schedule, ScheduleFiring
from service.lifecycles import ScheduleStatus
from service.rounds import service as rounds
from service.schedules.firing import MISFIRE_AFTER, fire_due
from tests.support import API, add_samples, create_campaign, sample_documents

Sessions = sessionmaker[Session]
HOURLY = {"kind": "interval", "every_minutes": 60}


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def schedule(client: TestClient, campaign_id: int, trigger: Any = HOURLY, **changes: Any) -> int:
    document = {"name": "s", "trigger": trigger} | changes
    response = client.post(f"{API}/campaigns/{campaign_id}/schedules", json=document)
    assert response.status_code == 201, response.text
    return response.json()["id"]


def read(sessions: Sessions, schedule_id: int) -> Schedule:
    with sessions() as session:
        return session.get_one(Schedule, schedule_id)


def firings(sessions: Sessions, schedule_id: int) -> list[ScheduleFiring]:
    with sessions() as session:
        query = session.query(ScheduleFiring).filter_by(schedule_id=schedule_id)
        return list(query.order_by(ScheduleFiring.id))


def cancel_round(sessions: Sessions, round_id: int) -> None:
    with unit_of_work(sessions) as session:
        round_ = rounds.cancel(session, round_id, actor="test")
        round_.step, round_.closed_at = rounds.RoundStep.CLOSED, datetime.now(UTC)


def test_nothing_is_due_before_its_time(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    schedule_id = schedule(client, campaign_id)
    assert fire_due(sessions) == 0
    assert firings(sessions, schedule_id) == []


def test_what_is_due_starts_a_round_and_is_due_again_later(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    schedule_id = schedule(client, campaign_id)
    due_at = read(sessions, schedule_id).next_due_at
    now = due_at + timedelta(seconds=3)
    assert fire_due(sessions, now=now) == 1
    assert fire_due(sessions, now=now) == 0
    (firing,) = firings(sessions, schedule_id)
    assert (firing.due_at, firing.fired_at, firing.outcome) == (due_at, now, "started")
    round_ = client.get(f"{API}/rounds/{firing.round_id}").json()
    assert (round_["schedule_id"], round_["requested_by"]) == (schedule_id, f"schedule-{schedule_id}")
    assert read(sessions, schedule_id).next_due_at == due_at + timedelta(hours=1)


def test_eight_clocks_at_once_fire_each_schedule_once(client: TestClient, sessions: Sessions) -> None:
    schedule_ids = [schedule(client, create_campaign(client)) for _ in range(5)]
    now = datetime.now(UTC) + timedelta(hours=1, seconds=5)
    barrier, fired = threading.Barrier(8), []

    def tick() -> None:
        barrier.wait()
        fired.append(fire_due(sessions, now=now))

    threads = [threading.Thread(target=tick) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fired) == 5
    assert [len(firings(sessions, key)) for key in schedule_ids] == [1] * 5


def test_a_due_time_that_is_written_already_is_never_fired_again(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    """As after a restore, or a clock that was put back: the row of the firing is the truth."""
    schedule_id = schedule(client, campaign_id)
    due_at = read(sessions, schedule_id).next_due_at
    fire_due(sessions, now=due_at)
    with unit_of_work(sessions) as session:
        session.get_one(Schedule, schedule_id).next_due_at = due_at
    assert fire_due(sessions, now=due_at) == 0
    assert len(firings(sessions, schedule_id)) == 1
    assert read(sessions, schedule_id).next_due_at == due_at + timedelta(hours=1)


def test_many_missed_times_are_caught_up_once(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    schedule_id = schedule(client, campaign_id, misfire="run_once")
    first = read(sessions, schedule_id).next_due_at
    assert fire_due(sessions, now=first + timedelta(hours=30, minutes=5)) == 1
    (firing,) = firings(sessions, schedule_id)
    assert (firing.due_at, firing.outcome) == (first, "started")
    assert read(sessions, schedule_id).next_due_at == first + timedelta(hours=31)


def test_missed_times_are_skipped_and_said_so(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    schedule_id = schedule(client, campaign_id, misfire="skip")
    first = read(sessions, schedule_id).next_due_at
    fire_due(sessions, now=first + MISFIRE_AFTER + timedelta(seconds=1))
    (firing,) = firings(sessions, schedule_id)
    assert (firing.outcome, firing.round_id) == ("skipped", None)
    assert "nothing ran at that time" in firing.reason
    assert fire_due(sessions, now=first + timedelta(hours=1)) == 1  # the next one is kept
    assert firings(sessions, schedule_id)[1].outcome == "started"


def test_an_open_round_is_waited_for_or_skipped_by_the_rule(client: TestClient, sessions: Sessions) -> None:
    waiting, skipping = create_campaign(client), create_campaign(client)
    open_ids = [
        client.post(f"{API}/campaigns/{key}/rounds", json={}).json()["id"] for key in (waiting, skipping)
    ]
    waits = schedule(client, waiting, misfire="run_once")
    skips = schedule(client, skipping, misfire="skip")
    due_at = read(sessions, waits).next_due_at
    assert fire_due(sessions, now=due_at + timedelta(seconds=10)) == 1
    assert firings(sessions, waits) == []
    (skipped,) = firings(sessions, skips)
    assert skipped.outcome == "skipped"
    assert "The new round of the campaign is open" in skipped.reason
    cancel_round(sessions, open_ids[0])
    assert fire_due(sessions, now=due_at + timedelta(hours=9)) >= 1
    assert [firing.due_at for firing in firings(sessions, waits)] == [due_at]


def test_labels_are_counted_from_the_last_firing(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    add_samples(client, campaign_id, sample_documents(5, target=26.0))
    schedule_id = schedule(client, campaign_id, {"kind": "new_labels", "count": 3})
    assert fire_due(sessions) == 0
    add_samples(client, campaign_id, sample_documents(2, target=26.0))
    add_samples(client, campaign_id, sample_documents(9))  # candidates do not count
    assert fire_due(sessions) == 0
    add_samples(client, campaign_id, sample_documents(2, target=26.0))
    assert fire_due(sessions) == 1
    add_samples(client, campaign_id, sample_documents(3, target=26.0))
    assert fire_due(sessions) == 0  # the round is open: not counted in vain
    cancel_round(sessions, firings(sessions, schedule_id)[0].round_id)
    assert fire_due(sessions) == 1
    assert fire_due(sessions) == 0


def test_a_date_comes_once_and_ends_the_schedule(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    schedule_id = schedule(client, campaign_id, {"kind": "date", "at": at.isoformat()})
    assert fire_due(sessions, now=at) == 1
    ended = read(sessions, schedule_id)
    assert (ended.status, ended.next_due_at) == (ScheduleStatus.ENDED, None)
    assert fire_due(sessions, now=at + timedelta(days=1)) == 0


def test_a_paused_schedule_is_never_due(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    schedule_id = schedule(client, campaign_id)
    client.post(f"{API}/schedules/{schedule_id}:pause")
    assert fire_due(sessions, now=datetime.now(UTC) + timedelta(days=9)) == 0


def test_the_clock_put_back_fires_nothing(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    schedule_id = schedule(client, campaign_id)
    due_at = read(sessions, schedule_id).next_due_at
    fire_due(sessions, now=due_at)
    assert fire_due(sessions, now=due_at - timedelta(hours=5)) == 0
    assert len(firings(sessions, schedule_id)) == 1


def test_a_fast_clock_that_is_put_right_leaves_no_schedule_years_ahead(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    schedule_id = schedule(client, campaign_id)
    first = read(sessions, schedule_id).next_due_at
    assert fire_due(sessions, now=first + timedelta(days=700, minutes=1)) == 1
    assert read(sessions, schedule_id).next_due_at > first + timedelta(days=699)
    cancel_round(sessions, firings(sessions, schedule_id)[0].round_id)
    assert fire_due(sessions) == 0
    assert read(sessions, schedule_id).next_due_at == first
    assert fire_due(sessions, now=first) == 0  # this due time was kept, though too early
    assert fire_due(sessions, now=first + timedelta(hours=1)) == 1


def test_one_that_cannot_fire_does_not_keep_the_others(
    client: TestClient, sessions: Sessions, campaign_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = schedule(client, create_campaign(client)), schedule(client, campaign_id)
    with unit_of_work(sessions) as session:
        session.get_one(Schedule, broken).configuration = {"auto_approve": 7}
    assert fire_due(sessions, now=datetime.now(UTC) + timedelta(hours=2)) == 1
    assert len(firings(sessions, sound)) == 1
    assert f"schedule {broken} could not be fired" in caplog.text
