"""What else can happen to an installation: its parts are killed, flushed, raced, misled about the time, filled up."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.queue.messages import TaskName
from tests.ev5_writer import ev5_files, zipped
from tests.functional.faults.books import Book
from tests.functional.faults.conftest import ALL, Table, only_all
from tests.functional.faults.installation import Installation, kill, stopped, wait_until
from tests.functional.faults.test_worker_kills import VALUATION, worker_of
from tests.service.uploads.uploading import FEATURES
from tests.support import SOURCES

pytestmark = pytest.mark.functional
CANCELLED_WITHIN_S = 2.0
DAY_S = 24 * 3600
# Several seconds of training on an idle machine: a shorter one may be over before it is looked at.
LONG_ENOUGH = 2000


def training(book: Book, epochs: int = LONG_ENOUGH) -> int:
    """A valuation in the middle of its training."""
    key = book.value(epochs=epochs)
    assert book.is_met_at(VALUATION, key, "data values")
    return key


def test_the_parent_of_all_killed_and_started_again(there: Installation, book: Book, table: Table) -> None:
    running = training(book)
    waiting = book.value()
    there.kill("serve")
    killed_at = time.monotonic()
    there.start()
    book.close(VALUATION, running)
    book.close(VALUATION, waiting)
    table.add("kill -9 of serve, the parent of all", time.monotonic() - killed_at, book)


def test_redis_flushed_and_killed(there: Installation, book: Book, table: Table) -> None:
    running = training(book)
    waiting = [book.value() for _ in range(3)]
    there.redis().flushall()
    there.kill("redis")
    killed_at = time.monotonic()
    for key in (running, *waiting):
        book.close(VALUATION, key)
    table.add("flush and kill -9 of Redis, 1 run running, 3 waiting", time.monotonic() - killed_at, book)


def test_a_run_that_is_asked_for_while_redis_is_away(there: Installation, book: Book, table: Table) -> None:
    with stopped(there.pid("serve")):  # else it starts Redis again at once
        there.kill("redis")
        key = book.value()
    started_at = time.monotonic()
    book.close(VALUATION, key)
    table.add("a run asked for while Redis is away", time.monotonic() - started_at, book)


def test_postgres_killed(there: Installation, book: Book, table: Table) -> None:
    running = training(book)
    waiting = book.value()
    there.kill("postgres")
    killed_at = time.monotonic()
    book.close(VALUATION, running)
    book.close(VALUATION, waiting)
    wait_until(there.is_ready, "the API answers again")
    table.add("kill -9 of Postgres while a run trains", time.monotonic() - killed_at, book)


def test_workers_that_race_for_one_run(there: Installation, book: Book, table: Table) -> None:
    there.keep_spare()
    started_at = time.monotonic()
    with stopped(*there.workers()):
        key = book.value()
        there.send_to_all(TaskName.VALUATION_RUN, key, times=10)
    book.close(VALUATION, key)
    wait_until(lambda: there.redis().llen("gpu") == 0, "all messages are worked off")
    assert [outcome for _, outcome, _ in book.attempts(VALUATION, key)] == ["succeeded"]
    table.add("two workers race for a run with more than 20 messages", time.monotonic() - started_at, book)


def test_a_cancelled_run_stops_at_once(there: Installation, book: Book, table: Table) -> None:
    key = training(book, epochs=5000)
    asked_at = time.monotonic()
    there.http.post(f"/{VALUATION}/{key}:cancel").raise_for_status()
    wait_until(lambda: book.status(VALUATION, key)[0] == "cancelled", "the run is cancelled")
    seconds = time.monotonic() - asked_at
    assert seconds <= CANCELLED_WITHIN_S or not ALL  # a machine that runs other tests too may be slower
    book.asked[VALUATION].remove(key)  # it was not to succeed
    table.add("no fault: cancelled while it trains (until it has stopped)", seconds, book)


# Python's own clock, as it is after a jump of the machine's.
JUMPED = """
import datetime, time

SHIFT_S = {shift}
real_time, real_datetime = time.time, datetime.datetime


class Jumped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return real_datetime.now(tz) + datetime.timedelta(seconds=SHIFT_S)

    @classmethod
    def utcnow(cls):
        return real_datetime.utcnow() + datetime.timedelta(seconds=SHIFT_S)


time.time = lambda: real_time() + SHIFT_S
datetime.datetime = Jumped
"""


@only_all
@pytest.mark.parametrize("shift", [2 * DAY_S, -2 * DAY_S], ids=["ahead", "behind"])
def test_a_clock_that_jumped(
    there: Installation, book: Book, table: Table, tmp_path: Path, shift: int
) -> None:
    """A worker and a beat live two days off: they take no run from others, and lose none of theirs."""
    (tmp_path / "sitecustomize.py").write_text(JUMPED.format(shift=shift))
    off = {"PYTHONPATH": str(tmp_path)}
    beat, worker = (there.start_beside(command, **off) for command in ("beat", "worker"))
    with stopped(*(pid for pid in there.workers() if pid != worker.pid)):
        key = training(book)
        assert worker_of(book, VALUATION, key) == worker.pid
        kept = book.value()
    started_at = time.monotonic()
    book.close(VALUATION, key)
    book.close(VALUATION, kept)
    for run in (key, kept):
        assert [outcome for _, outcome, _ in book.attempts(VALUATION, run)] == ["succeeded"]
    kill(worker.pid)
    kill(beat.pid)
    when = "ahead" if shift > 0 else "behind"
    table.add(f"a worker and a beat with clocks two days {when}", time.monotonic() - started_at, book)


# Uploads


@pytest.fixture
def upload_campaign(there: Installation) -> int:
    document = {"name": "files", "feature_schema": FEATURES, "sources": SOURCES}
    return int(there.http.post("/campaigns", json=document).raise_for_status().json()["id"])


def send(there: Installation, campaign_id: int, content: bytes) -> httpx.Response:
    form = {"campaign_id": str(campaign_id), "source": "full_vehicle"}
    return there.http.post("/uploads", files={"file": ("v04711.zip", content)}, data=form)


def stored_files(there: Installation) -> set[Path]:
    return {path for path in (there.folder / "files" / "uploads").rglob("*") if path.is_file()}


def send_half(there: Installation, campaign_id: int, content: bytes, sent: threading.Event) -> None:
    """Stream the first half of an upload, and then nothing."""
    half = httpx.Request(
        "POST", f"{there.http.base_url}uploads", files={"file": ("v04711.zip", content)},
        data={"campaign_id": str(campaign_id), "source": "full_vehicle"},
    )  # fmt: skip
    body = half.read()

    def stream() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        sent.set()
        time.sleep(5)
        yield body[len(body) // 2 :]

    headers = {"content-type": half.headers["content-type"], "content-length": str(len(body))}
    with pytest.raises(httpx.TransportError), httpx.Client(timeout=30) as client:
        client.post(half.url, content=stream(), headers=headers)


def test_the_api_killed_while_an_upload_streams(
    there: Installation, book: Book, table: Table, upload_campaign: int
) -> None:
    content, before, sent = zipped(ev5_files()), stored_files(there), threading.Event()
    sender = threading.Thread(target=send_half, args=(there, upload_campaign, content, sent))
    running = training(book)
    sender.start()
    sent.wait()
    there.kill("api")
    killed_at = time.monotonic()
    sender.join()
    wait_until(there.is_ready, "the API answers again")
    assert there.query("SELECT count(*) FROM uploads WHERE campaign_id = %s", upload_campaign) == [(0,)]
    assert stored_files(there) == before
    answer = send(there, upload_campaign, content)
    assert answer.status_code == 202, answer.text
    key = answer.json()["id"]
    wait_until(lambda: there.http.get(f"/uploads/{key}").json()["status"] == "parsed", "the upload is read")
    book.close(VALUATION, running)
    table.add("kill -9 of the API while an upload streams", time.monotonic() - killed_at, book)


# Full disks


@pytest.fixture
def small_disk(there: Installation) -> Iterator[Path]:
    """A file system of 64 MiB that Postgres can write to."""
    folder = there.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0777", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system needs root and mount: {mounted.stderr.decode().strip()}")
    try:
        tables = folder / "tables"
        tables.mkdir()
        owner = (there.folder / "engines" / "postgres").stat()
        os.chown(tables, owner.st_uid, owner.st_gid)
        with there.connect() as connection:
            connection.autocommit = True
            connection.execute(f"CREATE TABLESPACE small LOCATION '{tables}'")
            connection.execute("ALTER TABLE surrogates SET TABLESPACE small")
        yield folder
    finally:
        with there.connect() as connection:
            connection.autocommit = True
            connection.execute("ALTER TABLE surrogates SET TABLESPACE pg_default")
            connection.execute("DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full_when_the_surrogate_is_stored(
    there: Installation, book: Book, table: Table, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free))
    key = book.value()
    wait_until(lambda: "lost" in {line[1] for line in book.attempts(VALUATION, key)}, "an attempt fails")
    assert "could not extend file" in book.attempts(VALUATION, key)[0][2]
    statement = "SELECT count(*) FROM data_values WHERE valuation_run_id = %s"
    assert there.query(statement, key) == [(0,)]
    filler.unlink()
    freed_at = time.monotonic()
    book.close(VALUATION, key)
    table.add("disk full when the surrogate is stored, then freed", time.monotonic() - freed_at, book)
