"""The stream over a real socket: as it happens, without a gap at a reconnect or a restart of the API, bounded."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.events import stream
from service.main import create_app
from service.settings import Settings
from service.stack import free_port
from tests.support import API, add_run, create_campaign

Sessions = sessionmaker[Session]


@contextmanager
def serving(settings: Settings, port: int | None = None) -> Iterator[str]:
    """An API of its own behind uvicorn, as `crashscout api` runs it."""
    port = port or free_port()
    config = uvicorn.Config(
        create_app(settings), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Message:
    id: int
    event: str
    data: dict[str, Any]


class Reader:
    """Reads one stream; `next` gives the next event, comments are counted."""

    def __init__(self, response: httpx.Response) -> None:
        self.lines = response.iter_lines()
        self.comments = 0

    def next(self) -> Message:
        fields: dict[str, str] = {}
        for line in self.lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return Message(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            else:
                fields = {}
        raise AssertionError("the stream has ended")


@contextmanager
def following(url: str, campaign_id: int, last: int | None = None, **headers: str) -> Iterator[Reader]:
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    address = f"{url}{API}/campaigns/{campaign_id}/events"
    with httpx.Client(timeout=20) as http, http.stream("GET", address, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        yield Reader(response)


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def test_a_snapshot_first_then_events_as_they_happen(
    settings: Settings, sessions: Sessions, campaign_id: int
) -> None:
    add_run(sessions, campaign_id)
    with serving(settings) as url, following(url, campaign_id) as reader:
        first = reader.next()
        assert first.event == "snapshot"
        assert first.data["summary"]["currency"] == "USD"
        run_id = add_run(sessions, campaign_id)
        begun = time.monotonic()
        second = reader.next()
        assert time.monotonic() - begun < 5
        assert (second.event, second.data["payload"]["id"]) == ("valuation_run.queued", run_id)
        assert second.id == second.data["position"] > first.id


def test_no_event_is_lost_over_reconnects_and_restarts_of_the_api(
    settings: Settings, sessions: Sessions, campaign_id: int
) -> None:
    """A writer goes on all the time; the reader is cut off after every few events, every second time by a restart."""
    wanted, stop = [], threading.Event()

    def write() -> None:
        while not stop.is_set():
            wanted.append(add_run(sessions, campaign_id))
            time.sleep(0.02)

    with serving(settings) as url, following(url, campaign_id) as reader:
        last = reader.next().id
    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    for _ in range(2):
        with serving(settings) as url:
            for _ in range(2):
                with following(url, campaign_id, last) as reader:
                    for _ in range(3):
                        message = reader.next()
                        seen.append(message.data["payload"]["id"])
                        last = message.id
    stop.set()
    writer.join()
    with serving(settings) as url, following(url, campaign_id, last) as reader:
        seen += [reader.next().data["payload"]["id"] for _ in range(len(wanted) - len(seen))]
    assert seen == wanted


def test_silence_is_broken_by_a_heartbeat(
    settings: Settings, sessions: Sessions, campaign_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.1)
    with serving(settings) as url, following(url, campaign_id) as reader:
        reader.next()
        time.sleep(1.5)
        add_run(sessions, campaign_id)
        reader.next()
        assert reader.comments >= 2


def test_the_number_of_streams_is_bounded_and_a_place_is_free_again(
    settings: Settings, campaign_id: int
) -> None:
    with serving(settings.model_copy(update={"event_streams": 1})) as url:
        address = f"{url}{API}/campaigns/{campaign_id}/events"
        with following(url, campaign_id) as reader:
            reader.next()
            problem = httpx.get(address).json()
            assert (problem["status"], problem["code"]) == (503, "unavailable")
            assert "CRASHSCOUT_EVENT_STREAMS" in problem["hint"]
        for _ in range(100):  # the server notices within a poll that the reader has gone
            with httpx.Client(timeout=20) as http, http.stream("GET", address) as response:
                if response.status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("the place stays taken")


def test_a_waiting_stream_holds_no_connection_of_the_database(
    settings: Settings, sessions: Sessions, campaign_id: int
) -> None:
    """Twenty streams with a pool of ten connections: the API still answers."""
    with serving(settings) as url:
        readers = [following(url, campaign_id) for _ in range(20)]
        for reader in readers:
            reader.__enter__().next()
        answer = httpx.get(f"{url}{API}/campaigns/{campaign_id}", timeout=20)
        for reader in readers:
            reader.__exit__(None, None, None)
    assert answer.status_code == 200


@pytest.mark.parametrize(("campaign", "last", "status"), [(77, None, 404), (None, "abc", 422)])
def test_a_stream_that_cannot_be_is_a_problem(
    client: TestClient, campaign_id: int, campaign: int | None, last: str | None, status: int
) -> None:
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = client.get(f"{API}/campaigns/{campaign or campaign_id}/events", headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_a_stream_needs_the_key(settings: Settings, campaign_id: int) -> None:
    key = "k3y-of-the-tests-0123456789"
    with serving(settings.model_copy(update={"api_key": SecretStr(key)})) as url:
        assert httpx.get(f"{url}{API}/campaigns/{campaign_id}/events").status_code == 401
        with following(url, campaign_id, Authorization=f"Bearer {key}") as reader:
            assert reader.next().event == "snapshot"


def test_a_stream_ends_when_its_key_is_revoked(
    settings: Settings, campaign_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CHECK_S", 0.05)
    key = "k3y-of-the-tests-0123456789"
    administrator = {"Authorization": f"Bearer {key}"}
    with serving(settings.model_copy(update={"api_key": SecretStr(key)})) as url:
        document = {"name": "reader", "scopes": ["read"], "campaign_ids": [campaign_id]}
        made = httpx.post(f"{url}{API}/api-keys", json=document, headers=administrator).json()
        with following(url, campaign_id, Authorization=f"Bearer {made['key']}") as reader:
            assert reader.next().event == "snapshot"
            httpx.post(f"{url}{API}/api-keys/{made['id']}:revoke", headers=administrator).raise_for_status()
            with pytest.raises(AssertionError, match="the stream has ended"):
                reader.next()
