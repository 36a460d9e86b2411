"""Log lines of a worker name the request behind the task, those that Celery writes itself too."""

import json
import logging

import pytest
from celery import Celery

from service.logs import JsonLines, log_fields
from service.queue.client import ABOUT
from service.queue.messages import TaskName
from service.settings import Settings
from worker import app

FIELDS = {"request_id": "who-asked", "run_kind": "valuation_runs", "run_id": 7}


@pytest.fixture
def celery(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """One task that fails and one that says something."""

    def fail(row_id: int) -> None:
        raise ArithmeticError(f"of row {row_id}")

    def succeed(row_id: int) -> None:
        logging.getLogger("worker").info("row %d is done", row_id)

    monkeypatch.setattr(app, "TASKS", {TaskName.VALUATION_RUN: fail, TaskName.UPLOAD_READ: succeed})
    return app.create_celery(Settings(_env_file=None, broker_url="redis://127.0.0.1:1/0"))


def test_a_task_that_fails_is_logged_with_the_request_behind_it(
    celery: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonLines([]))
    celery.tasks[TaskName.VALUATION_RUN.value].apply(args=[7], headers={ABOUT: FIELDS})
    (line,) = [json.loads(line) for line in caplog.text.splitlines()]
    assert "ArithmeticError: of row 7" in line["exception"]
    assert FIELDS.items() <= line.items()
    assert log_fields() == {}, "they end with the task"


def test_a_message_without_fields_inherits_none(celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    caplog.handler.setFormatter(JsonLines([]))
    celery.tasks[TaskName.VALUATION_RUN.value].apply(args=[7], headers={ABOUT: FIELDS})
    celery.tasks[TaskName.UPLOAD_READ.value].apply(args=[7])
    (line,) = [json.loads(line) for line in caplog.text.splitlines() if "is done" in line]
    assert not FIELDS.keys() & line.keys()
