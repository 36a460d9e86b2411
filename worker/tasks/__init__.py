"""Thin tasks: claim, load (short transaction), compute with no session open, store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.queue.messages import TaskName
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.clock import clock_tick, then_rounds, webhook_deliver
from worker.tasks.imports import import_run
from worker.tasks.runs import runs_reap
from worker.tasks.simulation import simulation_run
from worker.tasks.uploads import upload_read
from worker.tasks.valuation import valuation_run

TASKS: Mapping[TaskName, Callable[[int], None]] = {
    TaskName.VALUATION_RUN: then_rounds(valuation_run),
    TaskName.ACQUISITION_RANK: then_rounds(acquisition_rank),
    TaskName.SIMULATION_RUN: then_rounds(simulation_run),
    TaskName.UPLOAD_READ: upload_read,
    TaskName.IMPORT_RUN: import_run,
    TaskName.RUNS_REAP: runs_reap,
    TaskName.CLOCK_TICK: clock_tick,
    TaskName.WEBHOOK_DELIVER: webhook_deliver,
}
