"""The Celery application of the worker: queues, routes and tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from celery import Celery, current_task
from kombu.entity import Queue as KombuQueue

from service.logs import logged_as
from service.queue.client import ABOUT, make_celery
from service.queue.messages import QUEUE_OF_TASK, Queue
from service.settings import Settings
from worker.tasks import TASKS


def create_celery(settings: Settings) -> Celery:
    """A Celery application with every task registered under its name."""
    celery = make_celery(settings.broker_url)
    celery.conf.update(
        task_queues=[KombuQueue(queue.value) for queue in Queue],
        task_routes={task.value: {"queue": queue.value} for task, queue in QUEUE_OF_TASK.items()},
    )
    for name, function in TASKS.items():
        celery.task(_logged(function), name=name.value)
    return celery


def _logged(task: Callable[[int], None]) -> Callable[[int], None]:
    """The task, whose log lines carry what its message is about."""

    @wraps(task)
    def run(row_id: int) -> None:
        headers = current_task.request.headers or {}
        with logged_as(**headers.get(ABOUT, {})):
            task(row_id)

    return run
