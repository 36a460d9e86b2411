"""The log of a run: read from where one stopped, bounded, no other campaign's, gone when it is old."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import RunLogLine, ValuationRun
from service.lifecycles import RunStatus
from service.run_logs import repository, service
from service.run_logs.schemas import Said
from service.runs import repository as runs
from service.vocabulary import LogLevel, LogSpeaker
from tests.service.audit.calls import CALLS, made
from tests.support import API, add_run, assert_problem, create_campaign, pointers

Sessions = sessionmaker[Session]
NOUNS = {
    "valuation-runs": "request_valuation_run", "acquisition-rounds": "request_acquisition_round",
    "backtests": "request_backtest", "replays": "replay_acquisition_round", "imports": "request_import",
}  # fmt: skip


def say(sessions: Sessions, run_id: int, *texts: str, ago_s: float = 0.0) -> None:
    now_s = time.monotonic()
    lines = [Said(now_s - ago_s, LogLevel.INFO, LogSpeaker.WORKER, text) for text in texts]
    with unit_of_work(sessions) as session:
        service.append(session, session.get_one(ValuationRun, run_id), lines, cut=True)


@pytest.fixture
def run_id(client: TestClient, sessions: Sessions) -> int:
    key = add_run(sessions, create_campaign(client))
    with unit_of_work(sessions) as session:
        runs.claim(session, ValuationRun, key, worker="one", lease_s=60)
    return key


def url(run_id: int) -> str:
    return f"{API}/valuation-runs/{run_id}/log"


def end(sessions: Sessions, run_id: int, *, ago: timedelta) -> None:
    with unit_of_work(sessions) as session:
        run = session.get_one(ValuationRun, run_id)
        run.status, run.finished_at = RunStatus.CANCELLED, database_time(session) - ago


def test_a_reader_goes_on_where_it_stopped_until_the_log_is_complete(
    client: TestClient, sessions: Sessions, run_id: int
) -> None:
    say(sessions, run_id, "epoch 1", "epoch 2", "epoch 3")
    response = client.get(url(run_id), params={"limit": 2})
    first = response.json()
    assert [line["text"] for line in first["lines"]] == ["epoch 1", "epoch 2"]
    assert (first["has_more"], first["is_complete"], response.headers["retry-after"]) == (True, False, "1")
    second = client.get(url(run_id), params={"after": first["next_after"]}).json()
    assert [line["text"] for line in second["lines"]] == ["epoch 3"]
    assert (second["has_more"], second["is_complete"]) == (False, False)
    assert second["lines"][0] | {"id": 0, "said_at": ""} == {
        "id": 0, "attempt": 1, "said_at": "", "level": "info", "speaker": "worker", "text": "epoch 3",
    }  # fmt: skip
    nothing = client.get(url(run_id), params={"after": second["next_after"]}).json()
    assert nothing == {
        "lines": [], "next_after": second["next_after"], "has_more": False, "is_complete": False,
    }  # fmt: skip


def test_last_words_come_just_after_the_end(client: TestClient, sessions: Sessions, run_id: int) -> None:
    end(sessions, run_id, ago=timedelta())
    assert not client.get(url(run_id)).json()["is_complete"]
    say(sessions, run_id, "cancelled while it ran")
    end(sessions, run_id, ago=2 * service.SETTLED_AFTER)
    assert not client.get(url(run_id), params={"limit": 1, "after": 0}).json()["has_more"]
    response = client.get(url(run_id))
    assert response.json()["is_complete"]
    assert "retry-after" not in response.headers


def test_a_line_tells_when_it_was_said_by_the_clock_of_the_database(
    client: TestClient, sessions: Sessions, run_id: int
) -> None:
    say(sessions, run_id, "long ago", ago_s=3600)
    with sessions() as session:
        (line,) = session.scalars(select(RunLogLine)).all()
        age = database_time(session) - line.said_at
    assert timedelta(minutes=59) < age < timedelta(minutes=61)


def test_only_the_newest_lines_are_kept(
    client: TestClient, sessions: Sessions, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = add_run(sessions, create_campaign(client))
    monkeypatch.setattr(service, "MOST_LINES", 4)
    say(sessions, other, "of another run")
    for start in (0, 3, 6):
        say(sessions, run_id, *(f"epoch {number}" for number in range(start, start + 3)))
    assert [line["text"] for line in client.get(url(run_id)).json()["lines"]] == [
        "epoch 5", "epoch 6", "epoch 7", "epoch 8",
    ]  # fmt: skip
    assert len(client.get(url(other)).json()["lines"]) == 1


def test_earlier_lines_are_read_backwards(sessions: Sessions, run_id: int) -> None:
    say(sessions, run_id, *(f"epoch {number}" for number in range(5)))
    with sessions() as session:
        run = session.get_one(ValuationRun, run_id)
        lines, more = service.read_before(session, run, before=2**63 - 1, limit=2)
        assert ([line.text for line in lines], more) == (["epoch 3", "epoch 4"], True)
        lines, more = service.read_before(session, run, before=lines[0].id, limit=3)
        assert ([line.text for line in lines], more) == (["epoch 0", "epoch 1", "epoch 2"], False)


def test_old_lines_are_deleted_a_bounded_number_at_once(
    sessions: Sessions, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(sessions, run_id, *"abcde")
    with unit_of_work(sessions) as session:
        aged = select(RunLogLine.id).where(RunLogLine.text < "d")
        session.execute(
            update(RunLogLine).where(RunLogLine.id.in_(aged)).values(said_at=func.now() - timedelta(days=31))
        )
    monkeypatch.setattr(repository, "MOST_PRUNED", 2)
    with unit_of_work(sessions) as session:
        now = database_time(session)
        assert [service.prune(session, now=now, keep_days=30) for _ in range(3)] == [2, 1, 0]
        assert session.scalars(select(RunLogLine.text).order_by(RunLogLine.id)).all() == ["d", "e"]


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_kind_of_run_has_one(client: TestClient, noun: str) -> None:
    key = made(client, CALLS[NOUNS[noun]](client))
    response = client.get(f"{API}/{noun}/{key}/log")
    assert response.json() == {"lines": [], "next_after": 0, "has_more": False, "is_complete": False}
    assert_problem(client.get(f"{API}/{noun}/999/log"), 404, "not_found")


def test_a_simulation_has_one_too(client: TestClient) -> None:
    key = made(client, CALLS["simulate_recommendation"](client))
    (run,) = client.get(f"{API}/recommendations/{key}/simulation-runs").json()
    assert client.get(f"{API}/simulation-runs/{run['id']}/log").json()["lines"] == []
    assert client.get(f"{API}/simulation-runs/{run['id']}").json() == run
    assert_problem(client.get(f"{API}/simulation-runs/999"), 404, "not_found")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"after": "-1"}, "/query/after"),
        ({"after": str(2**63)}, "/query/after"),
        ({"limit": "0"}, "/query/limit"),
        ({"limit": "1001"}, "/query/limit"),
    ],
)
def test_a_place_that_cannot_be(client: TestClient, run_id: int, query: dict[str, str], pointer: str) -> None:
    problem = assert_problem(client.get(url(run_id), params=query), 422, "invalid_input")
    assert list(pointers(problem)) == [pointer]
