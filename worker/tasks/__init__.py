"""Thin tasks: claim, load (short transaction), compute with no session open, store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.queue.messages import TaskName
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.backtest import backtest_run
from worker.tasks.imports import import_run
from worker.tasks.replay import acquisition_replay
from worker.tasks.simulation import simulation_run
from worker.tasks.uploads import upload_read
from worker.tasks.valuation import valuation_run

TASKS: Mapping[TaskName, Callable[[int], None]] = {
    TaskName.VALUATION_RUN: valuation_run,
    TaskName.ACQUISITION_RANK: acquisition_rank,
    TaskName.ACQUISITION_REPLAY: acquisition_replay,
    TaskName.BACKTEST_RUN: backtest_run,
    TaskName.SIMULATION_RUN: simulation_run,
    TaskName.UPLOAD_READ: upload_read,
    TaskName.IMPORT_RUN: import_run,
}
