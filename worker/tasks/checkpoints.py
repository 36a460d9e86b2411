"""Checkpoints of a run in Postgres: a run whose worker was killed goes on where it stood."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from service.runs import repository as runs
from worker.lossval.checkpoint import CheckpointError
from worker.tasks.lifecycle import ActiveRun, RunLostError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
# A killed worker loses at most so much work; more often would cost more than it saves. The state of 100,000
# samples is some megabytes.
SAVE_EVERY_S = 10.0


class Checkpoints:
    """The checkpoint of one run on one snapshot: `data_hash` tells whether the data are still the same.

    Seed and configuration stay with the run, so the same data mean the same computation.
    """

    def __init__(self, run: ActiveRun, data_hash: str) -> None:
        self._run = run
        self._data_hash = data_hash
        self._saved_at = time.monotonic()

    def resume(self, compute: Callable[[bytes | None], Result]) -> Result:
        """Compute from the kept state, or from the beginning when there is none or it is of another release.

        Args:
            compute: gets the state to go on from; raises `CheckpointError` when it cannot use it.
        """
        state = self.load()
        try:
            return compute(state)
        except CheckpointError as error:
            if state is None:
                raise
            logger.warning("%s begins anew: %s", self._name, error)
            return compute(None)

    def load(self) -> bytes | None:
        """State that an earlier attempt left, None to begin anew."""
        with self._run.transaction() as session:
            state = runs.load_checkpoint(session, self._run.row, data_hash=self._data_hash)
        if state is not None:
            logger.info("%s goes on from a checkpoint of %d bytes", self._name, len(state))
        return state

    @property
    def _name(self) -> str:
        return f"{self._run.row.__tablename__} {self._run.row.id}"

    def save(self, state: bytes) -> None:
        """Keep the state; at most every 10 s, other calls cost nothing.

        A database that is away or full does not end the training: the state before stays, or none.

        Raises:
            RunLostError: the run is no longer ours.
        """
        now = time.monotonic()
        if now - self._saved_at < SAVE_EVERY_S:
            return
        try:
            with self._run.transaction() as session:
                ours = runs.save_checkpoint(session, self._run.row, data_hash=self._data_hash, state=state)
        except (OperationalError, InterfaceError) as error:
            logger.warning("%s goes on without a checkpoint: %s", self._name, error.orig)
        else:
            if not ours:
                raise RunLostError
        self._saved_at = time.monotonic()
