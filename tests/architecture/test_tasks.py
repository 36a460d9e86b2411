"""Task names are strings between two processes: nothing but this checks that both sides mean the same."""

import inspect

import pytest
from celery import Celery

from service.queue.messages import QUEUE_OF_TASK, Message, Queue, TaskName
from service.runs.service import TASK_OF_RUN
from service.settings import Settings
from worker.app import create_celery


@pytest.fixture(scope="module")
def celery() -> Celery:
    return create_celery(Settings(_env_file=None, broker_url="redis://127.0.0.1:1/0"))


def test_every_task_name_is_registered_in_the_worker_and_no_other(celery: Celery) -> None:
    ours = {name for name in celery.tasks if not name.startswith("celery.")}
    assert ours == {name.value for name in TaskName}


@pytest.mark.parametrize("name", TaskName)
def test_every_task_takes_the_one_id_that_is_sent(celery: Celery, name: TaskName) -> None:
    inspect.signature(celery.tasks[name.value].run).bind(7)


@pytest.mark.parametrize("name", TaskName)
def test_worker_listens_where_the_message_is_sent(celery: Celery, name: TaskName) -> None:
    assert Message(name, 7).queue.value in {queue.name for queue in celery.conf.task_queues}
    assert celery.conf.task_routes[name.value]["queue"] == QUEUE_OF_TASK[name].value


def test_the_worker_has_the_three_queues_of_the_design(celery: Celery) -> None:
    assert {queue.name for queue in celery.conf.task_queues} == {"gpu", "cpu", "io"} == set(Queue)


def test_every_kind_of_run_has_a_task_of_its_own() -> None:
    assert len(set(TASK_OF_RUN.values())) == len(TASK_OF_RUN) == 6
