"""The sign of life of work that takes long: a thread of its own, which the work cannot starve."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)
# Often enough that a cancellation is noticed within 2 s; one row is written.
BEAT_EVERY_S = 0.5


class Heartbeat:
    """Calls `beat` now and then while its block runs.

    A thread is enough: numpy, torch and psycopg give the interpreter free while they compute or wait, and so
    does Python code every 5 ms. The longest pause that was measured is 1.6 s (valuation of 20,000 samples, on a
    machine with five times as much to do as it has cores), a twentieth of the ordinary lease.

    A database that is away is no reason to stop working: the next beat tries again.
    """

    def __init__(
        self,
        beat: Callable[[], None],
        *,
        name: str,
        every_s: float = BEAT_EVERY_S,
        at_once: bool = False,
    ) -> None:
        self._beat = beat
        self._name = name
        self._every_s = every_s
        self._wait_s = 0.0 if at_once else every_s
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,  # its log lines are about the same run
            args=(self._run,),
            name=f"heartbeat of {name}",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        away = False
        while not self._done.wait(self._wait_s):
            self._wait_s = self._every_s
            try:
                self._beat()
                away = False
            except SQLAlchemyError as error:
                if not away:
                    logger.warning("%s can give no sign of life: %s", self._name, error)
                away = True
