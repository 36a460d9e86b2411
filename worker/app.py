"""The Celery application of the worker: queues, routes and tasks."""

from __future__ import annotations

from contextlib import ExitStack

from celery import Celery, Task
from celery.signals import task_postrun, task_prerun
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
        celery.task(function, name=name.value, shared=False)
    task_prerun.connect(_begin)
    task_postrun.connect(_end)
    return celery


# Of the tasks under way in this process: what ends their log fields.
_logged: dict[str, ExitStack] = {}


def _begin(task_id: str, task: Task, **_: object) -> None:
    """From here on log lines carry what the task's message is about: also Celery's own, on a task that failed."""
    fields = (task.request.headers or {}).get(ABOUT, {})
    _logged[task_id] = ExitStack()
    _logged[task_id].enter_context(logged_as(**fields))


def _end(task_id: str, **_: object) -> None:
    if task_id in _logged:
        _logged.pop(task_id).close()
