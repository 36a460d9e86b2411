"""What a run says for people: kept here, bounded, until the heartbeat stores it. Nothing here waits or fails."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from service.logs import log_fields
from service.run_logs import service as run_logs
from service.run_logs.schemas import Said
from service.vocabulary import LogLevel, LogSpeaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from service.runs.service import AnyRun

logger = logging.getLogger(__name__)
# Between two stores; a solver that talks more is thinned, its whole log is in its file.
MOST_OF_WORKER, MOST_OF_SOLVER = 200, 50
# The same step with other figures.
PROGRESS_EVERY_S = 5.0
# How many lines are stored before older ones are looked at.
CUT_EVERY = 500
_FIGURES = str.maketrans("", "", "0123456789.,")


class _Lines:
    """The newest lines of one speaker, numbered; those that are stored are remembered as long as they are held.

    Without a lock, which a cancellation could leave closed: adding and copying are single calls into C.
    """

    def __init__(self, most: int) -> None:
        self._held: deque[tuple[int, Said]] = deque(maxlen=most)
        self._numbers = count()
        self._stored: set[int] = set()

    def add(self, line: Said) -> None:
        self._held.append((next(self._numbers), line))

    def waiting(self) -> list[tuple[int, Said]]:
        return [entry for entry in self._held.copy() if entry[0] not in self._stored]

    def forget(self, stored: Sequence[tuple[int, Said]]) -> None:
        known = self._stored | {number for number, _ in stored}
        self._stored = known & {number for number, _ in self._held.copy()}


class RunLog:
    """The lines of one attempt that are not stored yet.

    Any thread may add; one at a time stores. When the store is away, the newest lines wait for it.

    Args:
        hide: takes secrets out of a text.
    """

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._worker, self._solver = _Lines(MOST_OF_WORKER), _Lines(MOST_OF_SOLVER)
        self._solver_told = 0  # lines that are stored, or said to be left out
        self._step = ""
        self._step_said_s = 0.0
        self._since_cut = 0
        self._has_failed = False

    def say(self, text: str, level: LogLevel = LogLevel.INFO) -> None:
        """A line of the worker."""
        self._worker.add(Said(time.monotonic(), level, LogSpeaker.WORKER, text))

    def hear(self, text: str) -> None:
        """A line of the solver; always from the same thread."""
        self._solver.add(Said(time.monotonic(), LogLevel.INFO, LogSpeaker.SOLVER, text))

    def progress(self, message: str) -> None:
        """A new step is said at once, the same one with other figures now and then. Some microseconds."""
        step, now_s = message.translate(_FIGURES), time.monotonic()
        if step != self._step or now_s - self._step_said_s >= PROGRESS_EVERY_S:
            self._step, self._step_said_s = step, now_s
            self.say(message)

    def store(self, session: Session, run: AnyRun, *, is_last: bool = False) -> Callable[[], None]:
        """Add what waits to the transaction; call the answer once that has been committed.

        Lines that the database refuses are dropped with a warning: a log never fails a run.
        """
        of_worker, of_solver = self._worker.waiting(), self._solver.waiting()
        lines = sorted((line for _, line in of_worker + of_solver), key=lambda line: line.said_s)
        if of_solver and (left_out := of_solver[0][0] - self._solver_told):
            lines.insert(0, _left_out(left_out, lines[0].said_s))
        if lines:
            self._since_cut += len(lines)
            self._try(session, run, lines, cut=is_last or self._since_cut >= CUT_EVERY)

        def forget() -> None:
            self._worker.forget(of_worker)
            self._solver.forget(of_solver)
            self._solver_told = of_solver[-1][0] + 1 if of_solver else self._solver_told

        return forget

    def _try(self, session: Session, run: AnyRun, lines: Sequence[Said], *, cut: bool) -> None:
        clean = [replace(line, text=self._clean(line.text)) for line in lines]
        try:
            with session.begin_nested():
                run_logs.append(session, run, clean, cut=cut)
        except SQLAlchemyError as error:
            if not self._has_failed:
                logger.warning("lines of the run's log are lost: %s", error)
            self._has_failed = True
        else:
            self._has_failed = False
            self._since_cut = 0 if cut else self._since_cut

    def _clean(self, text: str) -> str:
        """Without secrets, and without what Postgres cannot store."""
        storable = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        return self._hide(storable)


def _left_out(lines: int, said_s: float) -> Said:
    text = f"the solver says too much: {lines:,} lines are only in its own log"
    return Said(said_s, LogLevel.WARNING, LogSpeaker.WORKER, text)


class _Warnings(logging.Handler):
    """Warnings and worse of this run's own threads become lines of its log."""

    def __init__(self, log: RunLog, run: AnyRun) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._about = (run.__tablename__, run.id)

    def emit(self, record: logging.LogRecord) -> None:
        fields = log_fields()
        if (fields.get("run_kind"), fields.get("run_id")) != self._about or record.name in {
            __name__,
            "py.warnings",
        }:
            return
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]}".partition("\n")[0]  # what follows is SQL with its values
        self._log.say(text, LogLevel.ERROR if record.levelno >= logging.ERROR else LogLevel.WARNING)


@contextmanager
def listening(log: RunLog, run: AnyRun) -> Iterator[None]:
    """For as long as the block lasts, the log takes what is logged about the run."""
    handler = _Warnings(log, run)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
