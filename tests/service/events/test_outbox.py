"""The outbox: written with the change, numbered after the commit, nothing lost whatever the order of commits."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.engine import unit_of_work
from service.database.models import Event
from service.errors import InputError
from service.events import repository, service
from service.events.schemas import STATES
from service.lifecycles import RunStatus
from service.valuations import service as valuations
from tests.service.database.conftest import Store
from tests.support import act, add_run, create_campaign, propose, psycopg_url

Sessions = sessionmaker[Session]


def events_of(sessions: Sessions, campaign_id: int, position: int = 0) -> list[Any]:
    with unit_of_work(sessions) as session:
        return service.following(session, campaign_id, position)


def types(sessions: Sessions, campaign_id: int, position: int = 0) -> list[str]:
    return [event.type for event in events_of(sessions, campaign_id, position)]


@pytest.fixture
def campaign_id(client: TestClient) -> int:
    return create_campaign(client)


def test_changes_of_state_become_events_in_their_order(client: TestClient, sessions: Sessions) -> None:
    proposal = propose(client)
    first, second = proposal.recommendation_ids
    act(client, first, "approve")
    act(client, second, "reject", reason="too far away")
    found = events_of(sessions, proposal.campaign_id)
    assert [event.type for event in found] == [
        "valuation_run.succeeded",
        "acquisition_round.succeeded",
        "recommendation.proposed",
        "recommendation.proposed",
        "recommendation.approved",
        "recommendation.rejected",
    ]
    assert [event.position for event in found] == sorted({event.position for event in found})
    last = found[-1].payload
    assert (last["id"], last["status"], last["rank"]) == (second, "rejected", 2)
    assert set(last) == {"id", "status", "round_id", "sample_id", "rank", "arm", "is_late"}


@pytest.mark.parametrize(
    ("table", "noun", "named"),
    [("backtests", "backtest", ()), ("replays", "replay", ("round_id",)),
     ("simulation_runs", "simulation_run", ("recommendation_id",))],
)  # fmt: skip
def test_runs_of_every_kind_tell_how_they_go(
    client: TestClient, sessions: Sessions, database_url: str, table: str, noun: str, named: tuple[str, ...]
) -> None:
    with psycopg.connect(psycopg_url(database_url), autocommit=True) as connection:
        store = Store(connection)
        parents = {"round_id": store.round_id, "recommendation_id": store.recommend(store.sample())}
        own = {"campaign_id": store.campaign_id} | {name: parents[name] for name in named}
        before = events_of(sessions, store.campaign_id)[-1].position
        run_id = store.insert(table, **own)
        store.execute(f"UPDATE {table} SET progress = 0.5 WHERE id = %s", run_id)
        store.execute(
            f"UPDATE {table} SET status = 'failed', error_message = 'it failed', finished_at = now() WHERE id = %s",
            run_id,
        )
    found = events_of(sessions, store.campaign_id, before)
    assert [event.type for event in found] == [f"{noun}.queued", f"{noun}.failed"]
    last = found[-1].payload
    assert (last["id"], last["error_message"]) == (run_id, "it failed")
    assert {name: last[name] for name in named} == {name: parents[name] for name in named}


def test_every_noun_that_can_be_asked_for_is_observed_and_no_other(database_url: str) -> None:
    query = "SELECT tgname, tgargs FROM pg_trigger WHERE tgname IN ('record_insert', 'record_update')"
    with psycopg.connect(psycopg_url(database_url)) as connection:
        found = connection.execute(query).fetchall()
    for name in ("record_insert", "record_update"):
        nouns = [bytes(arguments).split(b"\0")[0].decode() for trigger, arguments in found if trigger == name]
        assert sorted(nouns) == sorted(STATES)


def test_a_change_that_is_rolled_back_leaves_no_event(sessions: Sessions, campaign_id: int) -> None:
    run_id = add_run(sessions, campaign_id)

    def cancel_and_fail() -> None:
        with unit_of_work(sessions) as session:
            valuations.cancel(session, run_id, actor="test")
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cancel_and_fail()
    assert types(sessions, campaign_id) == ["valuation_run.queued"]


def test_progress_is_no_event(sessions: Sessions, campaign_id: int) -> None:
    run_id = add_run(sessions, campaign_id, RunStatus.RUNNING, attempt=1)
    with unit_of_work(sessions) as session:
        valuations.get(session, run_id).progress = 0.5
    assert types(sessions, campaign_id) == ["valuation_run.running"]


def test_events_of_other_campaigns_are_not_read(
    client: TestClient, sessions: Sessions, campaign_id: int
) -> None:
    other = create_campaign(client)
    add_run(sessions, campaign_id)
    assert types(sessions, other) == []


class Writer:
    """A transaction of its own that adds events and is committed when the test says so."""

    def __init__(self, database_url: str) -> None:
        self.connection = psycopg.connect(psycopg_url(database_url))

    def add(self, campaign_id: int, name: str) -> None:
        self.connection.execute(
            "INSERT INTO events (campaign_id, type, payload) VALUES (%s, %s, '{}')", (campaign_id, name)
        )

    def commit(self) -> None:
        self.connection.commit()


@pytest.fixture
def writers(database_url: str, client: TestClient) -> Iterator[tuple[Writer, Writer]]:
    pair = Writer(database_url), Writer(database_url)
    yield pair
    for writer in pair:
        writer.connection.close()


def test_an_event_that_commits_late_comes_after_what_was_read_before(
    sessions: Sessions, campaign_id: int, writers: tuple[Writer, Writer]
) -> None:
    """The smaller id commits last: a reader that remembers ids would never see it."""
    slow, quick = writers
    slow.add(campaign_id, "slow")
    quick.add(campaign_id, "quick")
    quick.commit()
    (seen,) = events_of(sessions, campaign_id)
    assert seen.type == "quick"
    slow.commit()
    (late,) = events_of(sessions, campaign_id, seen.position)
    assert late.type == "slow"
    with sessions() as session:
        ids = {row.type: row.id for row in repository.after(session, campaign_id, 0, limit=10)}
    assert ids["slow"] < ids["quick"]


def test_two_numberings_at_once_do_not_mix(sessions: Sessions, campaign_id: int) -> None:
    add_run(sessions, campaign_id)
    with unit_of_work(sessions) as first:
        assert repository.number_new(first) == 1
        add_run(sessions, campaign_id)
        with unit_of_work(sessions) as second:
            assert repository.number_new(second) == 0  # the first one holds the lock until it commits
    assert len(events_of(sessions, campaign_id)) == 2


def test_readers_of_many_writers_miss_nothing(
    sessions: Sessions, campaign_id: int, database_url: str
) -> None:
    """Six transactions at a time commit in any order while two readers follow by position."""
    wanted = {f"{number}.{turn}{end}" for number in range(6) for turn in range(15) for end in ("", ".b")}

    def write(number: int) -> None:
        writer = Writer(database_url)
        for turn in range(15):
            writer.add(campaign_id, f"{number}.{turn}")
            writer.add(campaign_id, f"{number}.{turn}.b")
            writer.commit()
        writer.connection.close()

    seen: list[list[str]] = [[], []]

    def read(found: list[str]) -> None:
        position, deadline = 0, time.monotonic() + 30
        while len(found) < len(wanted) and time.monotonic() < deadline:
            events = events_of(sessions, campaign_id, position)
            found += [event.type for event in events]
            position = events[-1].position if events else position

    threads = [threading.Thread(target=read, args=(found,)) for found in seen]
    threads += [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found in seen:
        assert len(found) == len(wanted)
        assert set(found) == wanted


def test_the_start_of_a_stream(client: TestClient, sessions: Sessions, campaign_id: int) -> None:
    add_run(sessions, campaign_id)
    add_run(sessions, campaign_id)
    first, second = events_of(sessions, campaign_id)
    with unit_of_work(sessions) as session:
        fresh = service.start(session, campaign_id, None)
        assert fresh.position == second.position
        assert fresh.snapshot["campaign_id"] == campaign_id
        assert fresh.snapshot["open_round"] is None
        assert service.start(session, campaign_id, first.position).snapshot is None
        unknown = service.start(session, campaign_id, second.position + 5)
        assert (unknown.position, unknown.snapshot is None) == (second.position, False)


def age(sessions: Sessions, days: int) -> None:
    with unit_of_work(sessions) as session:
        for event in session.query(Event):
            event.created_at = datetime.now(UTC) - timedelta(days=days)


def test_old_events_are_pruned_and_a_reader_that_missed_them_is_told(
    sessions: Sessions, campaign_id: int
) -> None:
    add_run(sessions, campaign_id)
    (seen,) = events_of(sessions, campaign_id)
    age(sessions, 31)
    add_run(sessions, campaign_id)  # not numbered yet: kept, however old it were
    with unit_of_work(sessions) as session:
        assert service.prune(session, now=datetime.now(UTC), keep_days=30) == 1
    with unit_of_work(sessions) as session:
        assert service.start(session, campaign_id, seen.position).snapshot is None
        assert service.start(session, campaign_id, seen.position - 1).snapshot is not None
    with unit_of_work(sessions) as session:
        assert service.prune(session, now=datetime.now(UTC) + timedelta(days=60), keep_days=30) == 1
        assert service.start(session, campaign_id, seen.position).snapshot is not None


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "9" * 30, "٣"])
def test_a_position_that_is_none_is_refused(client: TestClient, campaign_id: int, text: str) -> None:
    with pytest.raises(InputError, match="Last-Event-ID"):
        service.parse_position(text)
    assert service.parse_position("17") == 17
    assert service.parse_position("") is None
