"""Messages leave with the commit: not before it, and not without it."""

import logging
import os
import signal
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.embedded import EmbeddedEngines
from service.errors import UnavailableError
from service.queue.client import QueueClient, check_broker, enqueue, send_after_commit
from service.queue.messages import Message, TaskName
from service.settings import Settings
from service.stack import free_port
from tests.support import (
    API,
    add_samples,
    assert_problem,
    create_campaign,
    open_client,
    queued_messages,
    sample_documents,
)

MESSAGE = Message(TaskName.VALUATION_RUN, 7)
SENT = [("valuation.run", [7])]


@pytest.fixture
def factory(database_url: str, broker_url: str) -> Iterator[sessionmaker[Session]]:
    engine, queue = make_engine(database_url), QueueClient(broker_url)
    made = make_session_factory(engine)
    send_after_commit(made, queue)
    yield made
    queue.close()
    engine.dispose()


@pytest.fixture
def nowhere() -> str:
    """A broker's address where nobody listens."""
    return f"redis://127.0.0.1:{free_port()}/0"


def test_a_broker_that_is_away_is_named_with_the_remedy_at_once(nowhere: str, broker_url: str) -> None:
    check_broker(broker_url)
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=r"The broker cannot be used: .*refused") as caught:
        check_broker(nowhere)
    assert "CRASHSCOUT_BROKER_URL" in caught.value.hint
    assert time.monotonic() - started < 5


def test_a_message_is_sent_by_the_commit_and_not_before(
    factory: sessionmaker[Session], broker_url: str
) -> None:
    with unit_of_work(factory) as session:
        enqueue(session, MESSAGE)
        session.execute(text("SELECT 1"))
        assert queued_messages(broker_url, "gpu") == []
    assert queued_messages(broker_url, "gpu") == SENT


def test_a_rollback_sends_nothing_then_or_later(factory: sessionmaker[Session], broker_url: str) -> None:
    with factory() as session:
        session.execute(text("SELECT 1"))
        enqueue(session, MESSAGE)
        session.rollback()
        session.execute(text("SELECT 1"))
        session.commit()
    assert queued_messages(broker_url, "gpu") == []


def test_a_commit_that_fails_sends_nothing(factory: sessionmaker[Session], broker_url: str) -> None:
    with factory() as session, factory.kw["bind"].connect() as other:
        backend = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        enqueue(session, MESSAGE)
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
        with pytest.raises(OperationalError):
            session.commit()
    assert queued_messages(broker_url, "gpu") == []


def test_a_savepoint_sends_nothing_yet(factory: sessionmaker[Session], broker_url: str) -> None:
    with unit_of_work(factory) as session:
        with session.begin_nested():
            enqueue(session, MESSAGE)
        assert queued_messages(broker_url, "gpu") == []
    assert queued_messages(broker_url, "gpu") == SENT


def test_a_message_is_sent_once(factory: sessionmaker[Session], broker_url: str) -> None:
    with factory() as session:
        session.execute(text("SELECT 1"))
        enqueue(session, MESSAGE)
        session.commit()
        session.execute(text("SELECT 1"))
        session.commit()
    assert queued_messages(broker_url, "gpu") == SENT


@pytest.mark.parametrize("task", TaskName)
def test_each_task_waits_on_its_own_queue(
    factory: sessionmaker[Session], broker_url: str, task: TaskName
) -> None:
    message = Message(task, 3)
    with unit_of_work(factory) as session:
        session.execute(text("SELECT 1"))
        enqueue(session, message)
    assert queued_messages(broker_url, message.queue) == [(task.value, [3])]


def test_factories_do_not_share_their_listeners(factory: sessionmaker[Session], broker_url: str) -> None:
    silent = make_session_factory(factory.kw["bind"])
    with unit_of_work(silent) as session:
        session.execute(text("SELECT 1"))
        enqueue(session, MESSAGE)
    assert queued_messages(broker_url, "gpu") == []


def test_a_broker_that_is_away_is_said_in_the_log(nowhere: str, caplog: pytest.LogCaptureFixture) -> None:
    client = QueueClient(nowhere)
    with caplog.at_level(logging.WARNING, logger="service.queue.client"):
        assert client.send(MESSAGE) is False
    client.close()
    assert "valuation.run 7 waits for the reaper" in caplog.text


def test_a_request_does_not_fail_or_hang_on_a_broker_that_is_away(settings: Settings, nowhere: str) -> None:
    with open_client(settings.model_copy(update={"broker_url": nowhere})) as client:
        campaign_id = create_campaign(client)
        add_samples(client, campaign_id, sample_documents(10, target=26.0))
        started = time.monotonic()
        response = client.post(f"{API}/campaigns/{campaign_id}/valuation-runs", json={})
        assert time.monotonic() - started < 5
        assert response.status_code == 202
        assert response.json()["status"] == "queued"
        assert_problem(client.get("/health/ready"), 503, "unavailable")


def test_a_broker_that_hangs_holds_nobody_up_for_long(
    broker_url: str, engines: EmbeddedEngines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.queue.client.ANSWER_TIMEOUT_S", 0.3)
    client, pid = QueueClient(broker_url), engines.pids["redis"]
    assert client.send(MESSAGE)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError, match="The broker cannot be used"):
            client.waiting()
        assert client.send(MESSAGE) is False
    finally:
        os.kill(pid, signal.SIGCONT)
    client.close()
    fresh = QueueClient(broker_url)
    assert fresh.waiting() == {MESSAGE}
    fresh.close()
