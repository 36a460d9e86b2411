"""`kill -9` of the worker in each step of a valuation and of a ranking: another one does the run, once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest

from service.queue.messages import TaskName
from tests.functional.faults.books import TABLES, Book
from tests.functional.faults.conftest import ALL, Table, only_all
from tests.functional.faults.installation import Installation, kill, stopped, wait_until

pytestmark = pytest.mark.functional
VALUATION, RANKING = "valuation-runs", "acquisition-rounds"
TASKS = {VALUATION: TaskName.VALUATION_RUN, RANKING: TaskName.ACQUISITION_RANK}
# A checkpoint is kept after 10 s: so long the training must take, on any machine.
LONG_EPOCHS, MANY_MEMBERS, LONG_S = 5000, 24, 300.0
# Long enough to be met in the middle.
EPOCHS = 1000

Step = Callable[[Book, str], Iterator[int]]


def ask(book: Book, kind: str) -> int:
    return book.value(epochs=EPOCHS) if kind == VALUATION else book.rank()


def worker_of(book: Book, kind: str, key: int) -> int:
    """The process that has the run, by what its row says."""
    return int(
        book.there.query(f"SELECT worker FROM {TABLES[kind]} WHERE id = %s", key)[0][0].rpartition(":")[2]
    )


@contextmanager
def asked_with_workers_stopped(
    book: Book, kind: str, lock: str
) -> Iterator[tuple[int, psycopg.Connection[Any]]]:
    """The run is asked for, the lock is taken, and only then a worker may fetch the message."""
    with ExitStack() as locks:
        with stopped(*book.there.workers()):
            key = ask(book, kind)
            connection = locks.enter_context(book.there.holding(lock.format(id=key)))
        yield key, connection


def claiming(book: Book, kind: str) -> Iterator[int]:
    """It has the message, and the row is not yet its own."""
    there = book.there
    victim, *others = there.workers()
    with stopped(*others), ExitStack() as locks:
        with stopped(victim):
            key = ask(book, kind)
            locks.enter_context(there.holding(f"SELECT 1 FROM {TABLES[kind]} WHERE id = {key} FOR UPDATE"))
            there.send_to_all(TASKS[kind], key)  # those that are stopped may have been given the first one
        there.wait_until_blocked(f"UPDATE {TABLES[kind]} SET status%")
        kill(victim)
    yield key


def loading(book: Book, kind: str) -> Iterator[int]:
    lock = "LOCK TABLE samples IN ACCESS EXCLUSIVE MODE"
    with asked_with_workers_stopped(book, kind, lock) as (key, _):
        book.there.wait_until_blocked("SELECT%FROM samples%")
        yield key


def freezing(book: Book, kind: str) -> Iterator[int]:
    """The data are loaded, and are just being written down."""
    there, lock = book.there, "LOCK TABLE samples IN ACCESS EXCLUSIVE MODE"
    with asked_with_workers_stopped(book, kind, lock) as (key, samples):
        there.wait_until_blocked("SELECT%FROM samples%")
        with there.holding(f"SELECT 1 FROM {TABLES[kind]} WHERE id = {key} FOR UPDATE"):
            samples.rollback()
            there.wait_until_blocked("UPDATE%sample_ids%")
            yield key


def saying(message: str) -> Step:
    """It computes, and says so; a short step may pass between two signs of life: then the next run is watched."""

    def step(book: Book, kind: str) -> Iterator[int]:
        key = ask(book, kind)
        while not book.is_met_at(kind, key, message):
            key = ask(book, kind)
        yield key

    return step


def computing(book: Book, kind: str) -> Iterator[int]:
    """Between the frozen data and the stored result."""
    statement = f"SELECT status FROM {TABLES[kind]} WHERE id = %s AND data_hash IS NOT NULL"
    status = "succeeded"
    while status != "running":  # it was too quick
        key = ask(book, kind)
        status = wait_until(lambda key=key: book.there.query(statement, key), "the data are frozen")[0][0]
    yield key


def storing(table: str) -> Step:
    """In the middle of the transaction that stores the result."""

    def step(book: Book, kind: str) -> Iterator[int]:
        with book.there.holding(f"LOCK TABLE {table} IN SHARE MODE"):  # readers pass
            key = ask(book, kind)
            book.there.wait_until_blocked(f"INSERT INTO {table}%")  # not beat, which prunes old rows there
            yield key

    return step


def done(book: Book, kind: str) -> Iterator[int]:
    """The result is stored; the broker has not heard of it."""
    key = ask(book, kind)
    wait_until(lambda: book.status(kind, key)[0] == "succeeded", "the run has succeeded")
    yield key


STEPS: list[tuple[str, str, Step, bool]] = [
    (VALUATION, "claiming", claiming, False),
    (VALUATION, "loading", loading, False),
    (VALUATION, "freezing", freezing, False),
    (VALUATION, "data values", saying("data values"), True),
    (VALUATION, "plain surrogate", saying("plain"), False),
    (VALUATION, "weighted surrogate", saying("weighted"), False),
    (VALUATION, "storing values", storing("data_values"), False),
    (VALUATION, "storing the surrogate", storing("surrogates"), True),
    (VALUATION, "done", done, False),
    (RANKING, "claiming", claiming, True),
    (RANKING, "loading", loading, False),
    (RANKING, "freezing", freezing, False),
    (RANKING, "computing", computing, False),
    (RANKING, "storing recommendations", storing("recommendations"), False),
    (RANKING, "storing their history", storing("recommendation_changes"), True),
    (RANKING, "done", done, False),
]


@pytest.mark.parametrize(
    ("kind", "name", "step"), [(kind, name, step) for kind, name, step, short in STEPS if short or ALL]
)
def test_a_worker_killed(
    there: Installation, book: Book, ranked: Book, table: Table, kind: str, name: str, step: Step
) -> None:
    asked = book if kind == VALUATION else ranked
    with contextmanager(step)(asked, kind) as key:
        if name != "claiming":
            kill(worker_of(asked, kind, key))
        killed_at = time.monotonic()
    asked.close(kind, key)
    seconds = time.monotonic() - killed_at
    there.keep_spare()
    table.add(f"kill -9 of the worker, {kind}: {name}", seconds, asked)


@only_all
def test_a_training_that_is_killed_goes_on_from_its_checkpoint(
    there: Installation, book: Book, table: Table
) -> None:
    undisturbed = book.value(epochs=LONG_EPOCHS, members=MANY_MEMBERS)
    book.close(VALUATION, undisturbed, seconds=LONG_S)
    key = book.value(epochs=LONG_EPOCHS, members=MANY_MEMBERS)
    statement = "SELECT 1 FROM run_checkpoints WHERE run_kind = 'valuation_runs' AND run_id = %s"
    ended = "SELECT 1 FROM valuation_runs WHERE status NOT IN ('queued', 'running') AND id = %s"
    wait_until(
        lambda: there.query(f"{statement} UNION ALL {ended}", key, key), "a checkpoint is kept", LONG_S
    )
    assert there.query(statement, key), "the training is too short for a checkpoint"
    kill(worker_of(book, VALUATION, key))
    killed_at = time.monotonic()
    wait_until(lambda: book.status(VALUATION, key)[1] == 2, "another worker has the run")
    seconds = time.monotonic() - killed_at
    book.close(VALUATION, key, seconds=LONG_S)
    assert "goes on from a checkpoint" in there.log("worker*")
    there.keep_spare()
    table.add("kill -9 of the worker, after a checkpoint (until it trains again)", seconds, book)
