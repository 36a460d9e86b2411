"""Thin tasks: claim, load (short transaction), compute with no session open, store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.queue.messages import TaskName
from worker.tasks.acquisition import acquisition_rank
from worker.tasks.backtest import backtest_run
from worker.tasks.events import then_rounds, webhook_deliver
from worker.tasks.imports import import_run
from worker.tasks.replay import acquisition_replay
from worker.tasks.scores import acquisition_score
from worker.tasks.simulation import simulation_run
from worker.tasks.uploads import upload_read
from worker.tasks.valuation import valuation_run

TASKS: Mapping[TaskName, Callable[[int], None]] = {
    TaskName.VALUATION_RUN: then_rounds(valuation_run),
    TaskName.ACQUISITION_RANK: then_rounds(acquisition_rank),
    TaskName.ACQUISITION_REPLAY: acquisition_replay,
    TaskName.ACQUISITION_SCORE: acquisition_score,
    TaskName.BACKTEST_RUN: then_rounds(backtest_run),
    TaskName.SIMULATION_RUN: then_rounds(simulation_run),
    TaskName.UPLOAD_READ: upload_read,
    TaskName.IMPORT_RUN: import_run,
    TaskName.WEBHOOK_DELIVER: webhook_deliver,
}
