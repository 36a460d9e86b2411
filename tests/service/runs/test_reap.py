"""Nothing that was asked for is lost: lapsed and undelivered runs are sent again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.runs import service
from service.runs.service import DELIVERY_GRACE_S
from tests.support import add_run, create_campaign, queued_messages

PAST = datetime.now(UTC) - timedelta(hours=1)
FUTURE = datetime.now(UTC) + timedelta(hours=1)
RUNNING = {"status": RunStatus.RUNNING, "attempt": 1, "created_at": PAST}


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def reap(sessions: sessionmaker[Session]) -> int:
    with unit_of_work(sessions) as session:
        return service.reap(session, attempts=3)


def read(sessions: sessionmaker[Session], run_id: int) -> ValuationRun:
    with sessions() as session:
        return session.get_one(ValuationRun, run_id)


def test_a_lapsed_run_is_queued_and_sent_again(
    sessions: sessionmaker[Session], campaign_id: int, broker_url: str
) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST)
    assert reap(sessions) > 0
    assert read(sessions, run_id).status is RunStatus.QUEUED
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [run_id])]


def test_a_run_whose_workers_keep_dying_fails_with_a_reason(
    sessions: sessionmaker[Session], campaign_id: int, broker_url: str
) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING | {"attempt": 3}, lease_expires_at=PAST)
    reap(sessions)
    row = read(sessions, run_id)
    assert (row.status, row.error_code) == (RunStatus.FAILED, "worker_lost")
    assert "lost 3 times" in row.error_message
    assert row.finished_at is not None
    assert queued_messages(broker_url, "gpu") == []


def test_a_lapsed_run_that_was_to_stop_is_cancelled(
    sessions: sessionmaker[Session], campaign_id: int, broker_url: str
) -> None:
    run_id = add_run(sessions, campaign_id, **RUNNING, lease_expires_at=PAST, cancel_requested=True)
    reap(sessions)
    assert read(sessions, run_id).status is RunStatus.CANCELLED
    assert queued_messages(broker_url, "gpu") == []


def test_a_run_that_was_never_delivered_is_sent_again(
    sessions: sessionmaker[Session], campaign_id: int, broker_url: str
) -> None:
    created = datetime.now(UTC) - timedelta(seconds=DELIVERY_GRACE_S + 5)
    run_id = add_run(sessions, campaign_id, created_at=created)
    assert reap(sessions) == 1
    assert queued_messages(broker_url, "gpu") == [("valuation.run", [run_id])]


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
    sessions: sessionmaker[Session], campaign_id: int, broker_url: str, columns: dict[str, Any]
) -> None:
    run_id = add_run(sessions, campaign_id, **columns)
    before = read(sessions, run_id).status
    assert reap(sessions) == 0
    assert read(sessions, run_id).status is before
    assert queued_messages(broker_url, "gpu") == []
