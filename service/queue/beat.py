"""Beat: periodic messages from one small process that knows no task's code.

It keeps nothing: what is due follows from the rows, so a lost or doubled beat does no harm.
"""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from service.queue.client import make_celery
from service.queue.messages import QUEUE_OF_TASK, TaskName

# How often lost and undelivered runs are looked for.
REAP_EVERY_S = 30.0
# How often schedules, rounds and webhooks are looked at: how late a schedule may be.
TICK_EVERY_S = 5.0


def run_beat(broker_url: str) -> None:
    """Send until the process is stopped."""
    celery = make_celery(broker_url)
    celery.conf.beat_schedule = {
        "reap": _entry(TaskName.RUNS_REAP, REAP_EVERY_S),
        "tick": _entry(TaskName.CLOCK_TICK, TICK_EVERY_S),
    }
    celery.Beat(scheduler_cls=Scheduler, loglevel="WARNING").run()


def _entry(task: TaskName, every_s: float) -> dict[str, Any]:
    # Old beats say nothing new: a worker that was away does not work them off.
    options = {"queue": QUEUE_OF_TASK[task].value, "expires": every_s}
    return {"task": task.value, "schedule": every_s, "args": [0], "options": options}
