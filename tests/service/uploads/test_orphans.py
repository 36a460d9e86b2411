"""Originals without an upload are removed after a day; one whose row may still come, or has one, never."""

import io
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from service import beat
from service.database.engine import unit_of_work
from service.queue.client import QueueClient
from service.settings import Settings
from service.uploads import originals
from service.uploads.orphans import sweep
from tests.ev5_writer import ev5_files, zipped
from tests.service.uploads.uploading import campaign, read, stored_files, upload

Sessions = sessionmaker[Session]
NONE: frozenset[str] = frozenset()
DAY_S = 24 * 3600
FAIL_AT_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON uploads DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def path_of(settings: Settings, name: str) -> Path:
    (path,) = (originals.files_folder(settings) / "uploads").glob(f"*/{name}")
    return path


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def orphan(settings: Settings, *, seconds: float = DAY_S + 60) -> str:
    key = originals.save(settings, io.BytesIO(b"left behind")).key
    age(path_of(settings, key), seconds)
    return key


def look(sessions: Sessions, settings: Settings, suspects: frozenset[str] = NONE) -> frozenset[str]:
    return sweep(sessions, settings, suspects, now=datetime.now(UTC))


@pytest.fixture
def kept(client: TestClient, settings: Settings) -> list[str]:
    """Keys of two old uploads; one more than the orphans of most tests."""
    content = [zipped(ev5_files(number=number)) for number in (4711, 4712)]
    campaign_id = campaign(client)
    ids = [upload(client, campaign_id, each).json()["id"] for each in content]
    for name in stored_files(client):
        age(path_of(settings, name), 9 * DAY_S)
    assert [read(client, key)["status"] for key in ids] == ["parsed", "parsed"]
    return stored_files(client)


def test_what_a_failed_transaction_left_is_removed_in_the_second_look(
    client: TestClient, sessions: Sessions, settings: Settings, kept: list[str]
) -> None:
    with unit_of_work(sessions) as session:
        session.execute(text(FAIL_AT_COMMIT))
    assert upload(client, campaign(client), zipped(ev5_files(number=4713))).status_code == 500
    (left,) = set(stored_files(client)) - set(kept)
    assert look(sessions, settings) == NONE, "its row may still come"
    age(path_of(settings, left), DAY_S + 60)
    suspects = look(sessions, settings)
    assert (suspects, left in stored_files(client)) == ({left}, True)
    assert look(sessions, settings, suspects) == NONE
    assert stored_files(client) == kept


def test_a_row_that_comes_between_the_looks_saves_its_file(
    client: TestClient, sessions: Sessions, settings: Settings, kept: list[str]
) -> None:
    """As when the clock of the machine that stored it was days behind."""
    late = upload(client, campaign(client), zipped(ev5_files(number=4714))).json()["id"]
    (name,) = set(stored_files(client)) - set(kept)
    age(path_of(settings, name), 5 * DAY_S)
    assert look(sessions, settings, frozenset({name})) == NONE
    assert read(client, late)["status"] == "parsed"


def test_a_part_of_a_cut_transfer_goes_and_a_transfer_under_way_stays(
    client: TestClient, sessions: Sessions, settings: Settings, kept: list[str]
) -> None:
    part, writing = orphan(settings), orphan(settings, seconds=60)
    for name in (part, writing):
        path = path_of(settings, name)
        path.rename(path.with_suffix(".part"))
    look(sessions, settings, look(sessions, settings))
    assert stored_files(client) == sorted([*kept, f"{writing}.part"])


def test_files_of_others_are_not_touched(
    client: TestClient, sessions: Sessions, settings: Settings, kept: list[str]
) -> None:
    note = path_of(settings, kept[0]).with_name("note.txt")
    note.write_text("by hand")
    age(note, 9 * DAY_S)
    assert look(sessions, settings, frozenset({"note.txt"})) == NONE
    assert note.exists()


def test_the_folder_of_another_database_is_left_alone(
    client: TestClient,
    sessions: Sessions,
    settings: Settings,
    kept: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    strange = [orphan(settings) for _ in range(3)]
    assert look(sessions, settings, frozenset(strange)) == NONE
    assert stored_files(client) == sorted([*kept, *strange])
    assert "3 of 5 originals have no upload" in caplog.text


def test_no_folder_is_nothing_to_do(sessions: Sessions, settings: Settings, tmp_path: Path) -> None:
    assert look(sessions, settings.model_copy(update={"files_dir": tmp_path / "none"})) == NONE


def turn(running: beat._Beat) -> None:
    """One turn, and the look in its thread."""
    running._turn()
    if running._sweeper.is_alive():
        running._sweeper.join()


def test_beat_looks_now_and_then(
    client: TestClient,
    sessions: Sessions,
    settings: Settings,
    kept: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, queue = orphan(settings), QueueClient(settings.broker_url)
    running = beat._Beat(sessions, queue, settings)
    for _ in range(3):  # the first turn only says that it lives
        turn(running)
    assert left in stored_files(client), "an hour has not passed"
    monkeypatch.setattr(beat, "SWEEP_EVERY_S", 0.0)
    turn(running)
    queue.close()
    assert stored_files(client) == kept


def test_a_deadline_is_by_the_moment_that_is_given(
    client: TestClient, sessions: Sessions, settings: Settings, kept: list[str]
) -> None:
    key = orphan(settings, seconds=0)
    young, old = (datetime.now(UTC) + timedelta(hours=hours) for hours in (23, 25))
    assert sweep(sessions, settings, NONE, now=young) == NONE
    assert sweep(sessions, settings, NONE, now=old) == {key}
