"""Beat: periodic messages from one small process that knows no task's code.

It keeps nothing: what is due follows from the rows, so a lost or doubled beat does no harm.
"""

from __future__ import annotations

from celery.beat import Scheduler

from service.queue.client import make_celery
from service.queue.messages import TaskName

# How often lost and undelivered runs are looked for.
REAP_EVERY_S = 30.0


def run_beat(broker_url: str) -> None:
    """Send until the process is stopped."""
    celery = make_celery(broker_url)
    celery.conf.beat_schedule = {
        "reap": {
            "task": TaskName.RUNS_REAP.value,
            "schedule": REAP_EVERY_S,
            "args": [0],
            # Old beats say nothing new: a worker that was away does not work them off.
            "options": {"queue": "io", "expires": REAP_EVERY_S},
        }
    }
    celery.Beat(scheduler_cls=Scheduler, loglevel="WARNING").run()
