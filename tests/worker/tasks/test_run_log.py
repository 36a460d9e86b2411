"""What a worker says reaches the log of its run, thinned and clean; what cannot be stored fails nothing."""

import logging
import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import unit_of_work
from service.database.models import RunLogLine, ValuationRun
from service.lifecycles import RunStatus
from service.run_logs.schemas import LONGEST_LINE
from service.runs import heartbeat
from service.vocabulary import LogLevel, LogSpeaker
from tests.worker.campaign import rows, store
from tests.worker.tasks.test_lifecycle import run
from tests.worker.tasks.test_tasks import read, request_valuation
from worker.tasks import run_log
from worker.tasks.lifecycle import ActiveRun
from worker.tasks.run_log import RunLog

Sessions = sessionmaker[Session]
PATIENCE_S = 30.0


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def run_id(worker_sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.02)
    return request_valuation(worker_sessions, store(worker_sessions, rows(24, 0)))


def lines(sessions: Sessions) -> list[RunLogLine]:
    with sessions() as session:
        return list(session.scalars(select(RunLogLine).order_by(RunLogLine.id)))


def texts(sessions: Sessions) -> list[str]:
    return [line.text for line in lines(sessions)]


def test_steps_are_told_at_once_figures_of_one_step_now_and_then(
    worker_sessions: Sessions, run_id: int
) -> None:
    seen: list[list[str]] = []

    def compute(active: ActiveRun) -> None:
        active.report(0.1, "freezing 24 samples")
        for epoch in range(50):
            active.report(0.2, f"epoch {epoch} of 50")
        active.report(0.9, "storing")
        wait_until(lambda: len(texts(worker_sessions)) == 4)
        seen.append(texts(worker_sessions))  # while it runs
        active.end(RunStatus.CANCELLED, "enough")

    row = run(worker_sessions, run_id, compute)
    begins = f"attempt 1 begins on {row.worker}"
    assert seen == [[begins, "freezing 24 samples", "epoch 0 of 50", "storing"]]
    assert texts(worker_sessions)[4:] == ["enough", "the attempt is done"]
    assert {(line.attempt, line.run_id, line.speaker) for line in lines(worker_sessions)} == {
        (1, run_id, LogSpeaker.WORKER)
    }


def test_warnings_of_the_run_are_lines_those_of_others_are_not(
    worker_sessions: Sessions, run_id: int
) -> None:
    log = logging.getLogger("crashscout.test")

    def compute(_active: ActiveRun) -> None:
        log.warning("the artefact is 3 MiB; password=hunter2")
        try:
            raise ValueError("17 is no mass\n[SQL: select secrets]")
        except ValueError:
            log.exception("a row is odd")
        stranger = threading.Thread(target=lambda: log.warning("of no run"))
        stranger.start()
        stranger.join()
        log.info("an ordinary line of the machine's log")

    run(worker_sessions, run_id, compute)
    told = [(line.level, line.text) for line in lines(worker_sessions)][1:]
    assert told == [
        (LogLevel.WARNING, "the artefact is 3 MiB; password=***"),
        (LogLevel.ERROR, "a row is odd: 17 is no mass"),
        (LogLevel.INFO, "the attempt is done"),
    ]


def test_a_failure_is_the_last_line(worker_sessions: Sessions, run_id: int) -> None:
    def compute(_active: ActiveRun) -> None:
        raise ValueError("17 is no mass")

    with pytest.raises(ValueError, match="17"):
        run(worker_sessions, run_id, compute)
    assert read(worker_sessions, ValuationRun, run_id).status is RunStatus.FAILED
    last = lines(worker_sessions)[-1]
    assert (last.level, last.text) == (LogLevel.ERROR, "unexpected ValueError: 17 is no mass")


def test_a_log_that_cannot_be_written_fails_nothing(
    worker_sessions: Sessions, run_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    with unit_of_work(worker_sessions) as session:
        session.execute(text("ALTER TABLE run_log_lines ADD CONSTRAINT broken CHECK (text <> 'the straw')"))

    def compute(active: ActiveRun) -> None:
        active.log.say("the straw")
        wait_until(lambda: "lines of the run's log are lost" in caplog.text)
        active.log.say("the next one")
        wait_until(lambda: "the next one" in texts(worker_sessions))
        active.end(RunStatus.CANCELLED, "as wanted")

    row = run(worker_sessions, run_id, compute)
    assert (row.status, row.progress_message) == (RunStatus.CANCELLED, "as wanted")
    assert caplog.text.count("lines of the run's log are lost") == 1


def test_a_log_without_a_table_fails_nothing(worker_sessions: Sessions, run_id: int) -> None:
    with unit_of_work(worker_sessions) as session:
        session.execute(text("ALTER TABLE run_log_lines RENAME TO gone"))

    def compute(active: ActiveRun) -> None:
        active.end(RunStatus.CANCELLED, "as wanted")

    assert run(worker_sessions, run_id, compute).status is RunStatus.CANCELLED


def stored(sessions: Sessions, log: RunLog, run_id: int) -> list[str]:
    with unit_of_work(sessions) as session:
        forget = log.store(session, session.get_one(ValuationRun, run_id))
    forget()
    return texts(sessions)


def test_a_solver_that_talks_too_much_is_thinned_and_counted(worker_sessions: Sessions, run_id: int) -> None:
    log = RunLog(str)
    for number in range(run_log.MOST_OF_SOLVER + 1234):
        log.hear(f"cycle {number}")
    found = stored(worker_sessions, log, run_id)
    assert found[0] == "the solver says too much: 1,234 lines are only in its own log"
    assert (len(found), found[-1]) == (run_log.MOST_OF_SOLVER + 1, f"cycle {run_log.MOST_OF_SOLVER + 1233}")
    log.hear("the end")
    assert stored(worker_sessions, log, run_id)[-2:] == [found[-1], "the end"]
    assert len(stored(worker_sessions, log, run_id)) == len(found) + 1, "nothing is stored twice"


def test_what_was_not_committed_is_stored_with_the_next(worker_sessions: Sessions, run_id: int) -> None:
    log = RunLog(str)
    log.say("one")
    with worker_sessions() as session:
        log.store(session, session.get_one(ValuationRun, run_id))
        session.rollback()
    log.say("two")
    assert stored(worker_sessions, log, run_id) == ["one", "two"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("lone \ud800 half", "lone ? half"),
        ("x" * (LONGEST_LINE + 7), "x" * LONGEST_LINE),
    ],
)
def test_a_line_is_made_storable(worker_sessions: Sessions, run_id: int, said: str, shown: str) -> None:
    log = RunLog(str)
    log.say(said)
    assert stored(worker_sessions, log, run_id) == [shown]


def test_long_logs_are_cut_now_and_then(
    worker_sessions: Sessions, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "CUT_EVERY", 4)
    monkeypatch.setattr(run_log.run_logs, "MOST_LINES", 2)
    log = RunLog(str)
    counts = []
    for number in range(8):
        log.say(f"line {number}")
        counts.append(len(stored(worker_sessions, log, run_id)))
    assert counts == [1, 2, 3, 2, 3, 4, 5, 2]
