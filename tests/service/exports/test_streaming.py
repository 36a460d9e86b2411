"""Exports over a real connection: one snapshot, cut when something fails, given back when the client goes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.exports import repository
from service.exports.streaming import MOST_AT_ONCE
from service.main import create_app
from service.settings import Settings
from service.stack import free_port
from tests.support import API, add_samples, assert_problem, create_campaign, psycopg_url, sample_document

PATIENCE_S = 60.0
ROWS = 20_000


@contextmanager
def running(settings: Settings) -> Iterator[tuple[FastAPI, str]]:
    application, port = create_app(settings), free_port()
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield application, f"http://127.0.0.1:{port}{API}"
    finally:
        server.should_exit = True
        thread.join()


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def campaign_id(client: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """A campaign whose export is larger than what sockets hold back."""
    monkeypatch.setattr(repository, "BLOCK_ROWS", 200)
    campaign_id = create_campaign(client)
    add_samples(client, campaign_id, [sample_document(provenance={"text": "x" * 1500})])
    columns = "campaign_id, source_id, status, split, planned_features, provenance"
    with psycopg.connect(psycopg_url(database_url)) as connection:
        connection.execute(
            f"INSERT INTO samples ({columns}) SELECT {columns} FROM samples, generate_series(2, {ROWS})"
        )
    return campaign_id


def in_transaction(connection: psycopg.Connection) -> int:
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    """
    return connection.execute(query).fetchone()[0]


def test_a_client_that_goes_gives_cursor_and_place_back(
    settings: Settings, campaign_id: int, database_url: str
) -> None:
    with (
        running(settings) as (application, url),
        psycopg.connect(psycopg_url(database_url), autocommit=True) as watcher,
    ):
        with httpx.stream(
            "GET", f"{url}/campaigns/{campaign_id}/samples:export", timeout=PATIENCE_S
        ) as answer:
            next(answer.iter_raw())
            assert application.state.exports.taken == 1
            assert in_transaction(watcher) == 1
        wait_until(lambda: application.state.exports.taken == 0)
        wait_until(lambda: in_transaction(watcher) == 0)


def test_an_export_is_one_snapshot_whatever_happens_meanwhile(
    settings: Settings, campaign_id: int, database_url: str
) -> None:
    with (
        running(settings) as (_, url),
        psycopg.connect(psycopg_url(database_url), autocommit=True) as other,
        httpx.stream(
            "GET", f"{url}/campaigns/{campaign_id}/samples:export?format=ndjson", timeout=PATIENCE_S
        ) as answer,
    ):
        lines = answer.iter_lines()
        first = next(lines)
        other.execute("UPDATE samples SET external_id = 'changed ' || id")
        found = [first, *lines]
    assert len(found) == ROWS
    assert not any("changed" in line for line in found)


def test_an_error_on_the_way_cuts_the_connection(
    settings: Settings, campaign_id: int, database_url: str
) -> None:
    with (
        running(settings) as (_, url),
        psycopg.connect(psycopg_url(database_url), autocommit=True) as other,
        httpx.stream("GET", f"{url}/campaigns/{campaign_id}/samples:export", timeout=PATIENCE_S) as answer,
    ):
        pieces = answer.iter_raw()
        next(pieces)
        other.execute("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message"):
            list(pieces)


def test_more_exports_than_there_are_places_are_refused(settings: Settings, campaign_id: int) -> None:
    with running(settings) as (application, url):
        application.state.exports.taken = MOST_AT_ONCE
        answer = httpx.get(f"{url}/campaigns/{campaign_id}/samples:export", timeout=PATIENCE_S)
        assert "under way" in assert_problem(answer, 503, "unavailable")["detail"]
        application.state.exports.taken = 0
        assert httpx.get(f"{url}/campaigns/{campaign_id}/samples:export", timeout=PATIENCE_S).is_success
