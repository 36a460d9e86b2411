"""What travels through the queue: task names with ids and scalars, never rows or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Queue(StrEnum):
    """GPU trains, CPU simulates and reads, IO talks to the outside."""

    GPU = "gpu"
    CPU = "cpu"
    IO = "io"


class TaskName(StrEnum):
    VALUATION_RUN = "valuation.run"
    ACQUISITION_RANK = "acquisition.rank"
    ACQUISITION_REPLAY = "acquisition.replay"
    ACQUISITION_SCORE = "acquisition.score"
    BACKTEST_RUN = "backtest.run"
    SIMULATION_RUN = "simulation.run"
    UPLOAD_READ = "upload.read"
    IMPORT_RUN = "import.run"
    WEBHOOK_DELIVER = "webhook.deliver"


QUEUE_OF_TASK = {
    TaskName.VALUATION_RUN: Queue.GPU,
    TaskName.ACQUISITION_RANK: Queue.GPU,
    TaskName.ACQUISITION_REPLAY: Queue.GPU,
    TaskName.ACQUISITION_SCORE: Queue.GPU,
    TaskName.BACKTEST_RUN: Queue.GPU,
    TaskName.SIMULATION_RUN: Queue.CPU,
    TaskName.UPLOAD_READ: Queue.IO,
    TaskName.IMPORT_RUN: Queue.IO,
    TaskName.WEBHOOK_DELIVER: Queue.IO,
}


@dataclass(frozen=True)
class Message:
    """One call of one task with the id of the row that it works on; scores have no row, but a number of their own."""

    task: TaskName
    row_id: int

    @property
    def queue(self) -> Queue:
        return QUEUE_OF_TASK[self.task]
