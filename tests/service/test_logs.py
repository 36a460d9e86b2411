"""Log lines: ids, formats, and no secrets."""

import json
import logging
import sys
import threading
from typing import Any

from service.logs import JsonLines, TextLines, log_fields, logged_as
from service.runs.heartbeat import Heartbeat
from service.settings import Settings

KEY = "k" * 24


def record(message: str, *values: object, exc_info: Any = None) -> logging.LogRecord:
    return logging.LogRecord("service.x", logging.WARNING, __file__, 1, message, values, exc_info)


def settings() -> Settings:
    return Settings(
        _env_file=None,
        api_key=KEY,
        database_url="postgresql+psycopg://u:topsecret@db/x",
        broker_url="redis://:hidden@redis/0",
    )


def test_a_json_line_is_one_object_with_the_fields_of_the_moment() -> None:
    with logged_as(request_id="r-1"), logged_as(run_kind="valuation_runs", run_id=7):
        line = JsonLines([]).format(record("lost\n%s", "worker"))
    assert "\n" not in line
    document = json.loads(line)
    assert document.pop("time").endswith("+00:00")
    assert document == {
        "level": "WARNING",
        "logger": "service.x",
        "message": "lost\nworker",
        "request_id": "r-1",
        "run_kind": "valuation_runs",
        "run_id": 7,
    }


def test_fields_end_with_their_block_and_none_takes_one_away() -> None:
    with logged_as(request_id="r-1", run_id=7):
        with logged_as(request_id=None):
            assert dict(log_fields()) == {"run_id": 7}
        assert dict(log_fields()) == {"request_id": "r-1", "run_id": 7}
    assert dict(log_fields()) == {}


def test_a_text_line_is_for_people() -> None:
    with logged_as(run_id=7):
        line = TextLines([]).format(record("lost"))
    assert line.endswith(" WARNING lost [run_id=7]")


def test_no_secret_of_the_settings_reaches_a_line() -> None:
    try:
        raise ValueError(f"cannot use {KEY} nor postgresql://u:topsecret@db/x")
    except ValueError:
        failed = record("%s and redis://:other@host/0 and hidden", KEY, exc_info=sys.exc_info())
    for lines in (JsonLines(settings().secrets()), TextLines(settings().secrets())):
        line = lines.format(failed)
        assert "Traceback" in line
        for secret in (KEY, "topsecret", "hidden", "other@"):
            assert secret not in line


def test_a_heartbeat_speaks_of_the_same_run() -> None:
    seen, done = [], threading.Event()

    def beat() -> None:
        seen.append(dict(log_fields()))
        done.set()

    with logged_as(run_id=7), Heartbeat(beat, name="test", at_once=True):
        assert done.wait(5)
    assert seen[0] == {"run_id": 7}
