"""The Celery application of the worker: queues, routes and tasks."""

from __future__ import annotations

from celery import Celery
from kombu.entity import Queue as KombuQueue

from service.queue.client import make_celery
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
        celery.task(function, name=name.value)
    return celery
