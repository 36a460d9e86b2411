"""Nothing that was asked for is lost: lapsed and undelivered runs are sent again."""

import json
from collections.abc import Set
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.beat import PASSES_PER_LEASE, keep_house
from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.embedded import EmbeddedEngines
from service.lifecycles import AttemptOutcome, RunStatus
from service.logs import JsonLines, LogLine, logged_as
from service.queue.client import QueueClient
from service.queue.messages import Message, TaskName
from service.runs import repository, service
from service.settings import Settings
from service.stack import free_port
from tests.support import add_run, create_campaign, queued_fields, queued_messages

Sessions = sessionmaker[Session]
PAST = datetime.now(UTC) - timedelta(hours=1)
FUTURE = datetime.now(UTC) + timedelta(hours=1)
RUNNING = {
    "status": RunStatus.RUNNING, "attempt": 1, "worker": "one", "started_at": PAST, "created_at": PAST,
}  # fmt: skip
GRACE_S = 10.0


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def reap(sessions: Sessions, attempts: int = 3) -> list[LogLine]:
    with unit_of_work(sessions) as session:
        return service.reap(session, attempts=attempts)


def resend(sessions: Sessions, in_broker: Set[Message] = frozenset()) -> list[LogLine]:
    with unit_of_work(sessions) as session:
        return service.resend(session, grace_s=GRACE_S, in_broker=in_broker)


def read(sessions: Sessions, run_id: int) -> ValuationRun:
    with sessions() as session:
        return session.get_one(ValuationRun, run_id)


def lose_worker(sessions: Sessions, run_id: int) -> None:
    """A worker claims the run and is never heard of again; its lease lapses."""
    with unit_of_work(sessions) as session:
        claimed = repository.claim(session, ValuationRun, run_id, worker="one", lease_s=60)
        assert claimed is not None
        claimed.lease_expires_at = PAST
    reap(sessions)


def test_a_lapsed_run_is_queued_and_sent_again(sessions: Sessions, campaign_id: int, broker_url: str) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST)
    assert [line.text for line in reap(sessions)] == [f"valuation_runs {run_id} lost its worker one: queued"]
    assert read(sessions, run_id).status is RunStatus.QUEUED
    assert len(resend(sessions)) == 1
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [run_id])]


def test_a_run_whose_workers_keep_dying_fails_with_its_history(
    sessions: Sessions, campaign_id: int, broker_url: str
) -> None:
    run_id = add_run(sessions, campaign_id)
    for _ in range(3):
        lose_worker(sessions, run_id)
    row = read(sessions, run_id)
    assert (row.status, row.error_code, row.attempt) == (RunStatus.FAILED, "worker_lost", 3)
    assert "lost 3 times" in row.error_message
    assert "attempt 2 on one: no sign of life; it was at 'loading the data'" in row.error_message
    assert row.finished_at is not None
    with sessions() as session:
        ended = service.history(session, row)
    assert [(line.attempt, line.outcome) for line in ended] == [
        (1, AttemptOutcome.LOST),
        (2, AttemptOutcome.LOST),
        (3, AttemptOutcome.LOST),
    ]
    assert resend(sessions) == []
    assert queued_messages(broker_url, "gpu") == []


def test_a_lapsed_run_that_was_to_stop_is_cancelled(
    sessions: Sessions, campaign_id: int, broker_url: str
) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST, cancel_requested=True)
    reap(sessions)
    assert read(sessions, run_id).status is RunStatus.CANCELLED
    assert resend(sessions) == []


def test_a_run_that_is_being_stored_is_left_to_its_worker(sessions: Sessions, campaign_id: int) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST)
    with sessions() as storing:
        storing.get_one(ValuationRun, run_id, with_for_update=True)
        assert reap(sessions) == []
    assert len(reap(sessions)) == 1


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=GRACE_S + 5)


@pytest.mark.parametrize("column", ["created_at", "sent_at"])
def test_a_run_that_was_never_delivered_is_sent_again(
    sessions: Sessions, campaign_id: int, broker_url: str, column: str
) -> None:
    run_id = add_run(sessions, campaign_id, **{column: long_ago()})
    assert len(resend(sessions)) == 1
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [run_id])]
    assert resend(sessions) == []  # it was sent a moment ago


def test_a_run_that_waits_in_the_broker_is_not_sent_again(sessions: Sessions, campaign_id: int) -> None:
    run_id = add_run(sessions, campaign_id, created_at=PAST)
    assert resend(sessions, {Message(TaskName.VALUATION_RUN, run_id)}) == []
    assert len(resend(sessions, {Message(TaskName.ACQUISITION_RANK, run_id)})) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {**RUNNING, "lease_expires_at": FUTURE},
        {"status": RunStatus.SUCCEEDED, "created_at": PAST},
        {"status": RunStatus.CANCELLED, "created_at": PAST},
    ],
    ids=["just-queued", "alive", "succeeded", "cancelled"],
)
def test_a_run_that_is_well_is_left_alone(
    sessions: Sessions, campaign_id: int, broker_url: str, columns: dict[str, Any]
) -> None:
    run_id = add_run(sessions, campaign_id, **columns)
    before = read(sessions, run_id).status
    assert reap(sessions) == resend(sessions) == []
    assert read(sessions, run_id).status is before
    assert queued_messages(broker_url, "gpu") == []


def wait_long(sessions: Sessions, run_id: int, settings: Settings) -> None:
    grace = timedelta(seconds=settings.run_lease_s / PASSES_PER_LEASE + 1)
    with unit_of_work(sessions) as session:
        session.get_one(ValuationRun, run_id).sent_at = datetime.now(UTC) - grace


def test_a_flushed_broker_loses_nothing_and_a_long_queue_doubles_nothing(
    sessions: Sessions, campaign_id: int, settings: Settings, engines: EmbeddedEngines
) -> None:
    run_id = add_run(sessions, campaign_id)
    queue = QueueClient(settings.broker_url)
    for _ in range(3):
        wait_long(sessions, run_id, settings)
        keep_house(sessions, queue, settings)
        assert queued_messages(settings.broker_url, "gpu") == [("valuation.run", [run_id])]
    with redis.Redis.from_url(engines.redis_url) as client:
        client.flushdb()
    wait_long(sessions, run_id, settings)
    keep_house(sessions, queue, settings)
    assert queued_messages(settings.broker_url, "gpu") == [("valuation.run", [run_id])]
    queue.close()


def test_who_asked_is_known_when_a_run_is_sent_again(
    sessions: Sessions, campaign_id: int, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The reaper knows nothing of the request: the row does."""
    lapsed = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST, request_id="who-asked-1")
    never_sent = add_run(sessions, campaign_id, sent_at=PAST, request_id="who-asked-2")
    queue = QueueClient(settings.broker_url)
    caplog.handler.setFormatter(JsonLines([]))
    with logged_as(request_id="another"):
        keep_house(sessions, queue, settings)
    queue.close()
    asked = {lapsed: "who-asked-1", never_sent: "who-asked-2"}
    found = queued_fields(settings.broker_url, "gpu")
    assert {fields["run_id"]: fields["request_id"] for fields in found} == asked
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    said = [(line["message"].partition(": ")[0], line["request_id"]) for line in lines if "run_id" in line]
    assert said == [
        (f"valuation_runs {lapsed} lost its worker one", "who-asked-1"),
        (f"valuation_runs {lapsed} waits and no queue holds it", "who-asked-1"),
        (f"valuation_runs {never_sent} waits and no queue holds it", "who-asked-2"),
    ]


def test_lapsed_runs_are_taken_while_the_broker_is_away(
    sessions: Sessions, campaign_id: int, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST)
    queue = QueueClient(f"redis://127.0.0.1:{free_port()}/0")
    keep_house(sessions, queue, settings)
    queue.close()
    assert read(sessions, run_id).status is RunStatus.QUEUED
    assert "nothing can be sent: The broker cannot be used" in caplog.text


def test_messages_of_another_release_are_none_of_ours(
    sessions: Sessions, campaign_id: int, settings: Settings
) -> None:
    queue = QueueClient(settings.broker_url)
    queue.send(Message(TaskName.UPLOAD_READ, 3))
    queue._celery.send_task("runs.reap", args=[0], queue="io")
    assert queue.waiting() == {Message(TaskName.UPLOAD_READ, 3)}
    queue.close()
