"""Signs of life: who lives, who fell silent, who ended in order."""

import os
import socket
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.models import Process
from service.processes import service as processes
from service.processes.signs import signs_of_life
from service.stack import free_port
from service.vocabulary import ProcessKind

Sessions = sessionmaker[Session]


def add(sessions: Sessions, *, silent_s: float = 0.0, **columns: object) -> None:
    seen_at = datetime.now(UTC) - timedelta(seconds=silent_s)
    defaults = {"kind": ProcessKind.WORKER, "host": "elsewhere", "pid": 1, "queues": ["cpu"]}
    with unit_of_work(sessions) as session:
        session.add(Process(**defaults | columns, seen_at=seen_at))


def test_a_process_lives_as_long_as_its_block(sessions: Sessions) -> None:
    with signs_of_life(sessions, ProcessKind.WORKER, queues=["gpu", "io"]):
        deadline = time.monotonic() + 10
        with sessions() as session:
            while not processes.lives_here(session, ProcessKind.WORKER):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            [process] = processes.living(session)
            assert (process.host, process.pid) == (socket.gethostname(), os.getpid())
            assert processes.workers_by_queue(session) == {"gpu": 1, "io": 1}
            assert not processes.lives_here(session, ProcessKind.BEAT)
    with sessions() as session:
        assert processes.living(session) == []


def test_it_ends_in_order_also_when_the_block_raises(sessions: Sessions) -> None:
    try:
        with signs_of_life(sessions, ProcessKind.BEAT):
            time.sleep(0.2)
            raise SystemExit(0)
    except SystemExit:
        pass
    with sessions() as session:
        assert processes.living(session) == []


def test_a_database_that_is_away_keeps_nobody_from_working() -> None:
    engine = make_engine(f"postgresql+psycopg://u@127.0.0.1:{free_port()}/x")
    with signs_of_life(make_session_factory(engine), ProcessKind.WORKER):
        worked = True
    engine.dispose()
    assert worked


def test_a_silent_one_lives_no_longer_and_is_forgotten_after_a_day(sessions: Sessions) -> None:
    add(sessions, silent_s=processes.SILENT_AFTER_S + 5)
    add(sessions, pid=2, silent_s=processes.FORGOTTEN_AFTER_S + 5)
    add(sessions, pid=3)
    with unit_of_work(sessions) as session:
        assert [process.pid for process in processes.living(session)] == [3]
        processes.forget_silent(session)
    with sessions() as session:
        assert session.scalars(text("SELECT pid FROM processes ORDER BY pid")).all() == [1, 3]


def test_a_restarted_process_takes_over_the_row_of_the_same_pid(sessions: Sessions) -> None:
    add(sessions, host=socket.gethostname(), pid=os.getpid(), silent_s=999, queues=["io"])
    with unit_of_work(sessions) as session:
        processes.say_alive(session, ProcessKind.WORKER, queues=["gpu"], is_new=True)
    with sessions() as session:
        assert processes.workers_by_queue(session) == {"gpu": 1}


def test_a_process_elsewhere_is_none_of_this_machine(sessions: Sessions) -> None:
    add(sessions)
    with sessions() as session:
        assert not processes.lives_here(session, ProcessKind.WORKER)
