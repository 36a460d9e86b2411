"""The housekeeper as a loop: it outlives outages, and gives workers time after one."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.beat import _Beat, run_beat
from service.database.engine import make_engine, make_session_factory
from service.database.models import ValuationRun
from service.lifecycles import RunStatus
from service.queue.client import QueueClient
from service.settings import Settings
from service.stack import free_port
from tests.support import add_run, create_campaign, queued_messages

Sessions = sessionmaker[Session]
PAST = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def lapsed(client: TestClient, sessions: Sessions) -> int:
    columns = {"attempt": 1, "worker": "one", "started_at": PAST, "lease_expires_at": PAST}
    return add_run(sessions, create_campaign(client), RunStatus.RUNNING, created_at=PAST, **columns)


@pytest.fixture
def queue(broker_url: str) -> Iterator[QueueClient]:
    client = QueueClient(broker_url)
    yield client
    client.close()


def status(sessions: Sessions, run_id: int) -> RunStatus:
    with sessions() as session:
        return session.get_one(ValuationRun, run_id).status


def test_it_sends_what_a_lost_worker_had_and_stops_when_told(
    sessions: Sessions, settings: Settings, lapsed: int
) -> None:
    stop = threading.Event()
    quick = settings.model_copy(update={"run_lease_s": 0.3})
    beat = threading.Thread(target=run_beat, args=(quick, stop))
    beat.start()
    deadline = time.monotonic() + 10
    while not queued_messages(settings.broker_url, "gpu") and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    beat.join(10)
    assert not beat.is_alive()
    assert queued_messages(settings.broker_url, "gpu") == [("valuation.run", [lapsed])]
    assert status(sessions, lapsed) is RunStatus.QUEUED


def test_after_an_outage_the_living_may_speak_first(
    sessions: Sessions, settings: Settings, queue: QueueClient, lapsed: int
) -> None:
    beat = _Beat(sessions, queue, settings)
    beat._house_every_s = 0.0
    beat._turn()
    assert status(sessions, lapsed) is RunStatus.RUNNING
    beat._turn()
    assert status(sessions, lapsed) is RunStatus.QUEUED


def test_a_database_that_is_away_does_not_end_it(
    settings: Settings, queue: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(f"postgresql+psycopg://u@127.0.0.1:{free_port()}/x")
    beat, stop = _Beat(make_session_factory(engine), queue, settings), threading.Event()
    beat._house_every_s = 0.05
    loop = threading.Thread(target=beat.run, args=(stop,))
    loop.start()
    time.sleep(0.5)
    stop.set()
    loop.join(10)
    engine.dispose()
    assert caplog.text.count("the database is away, or refuses") > 1
