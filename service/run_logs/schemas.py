"""The log of a run: what goes in, and what a reader gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.vocabulary import LogLevel, LogSpeaker

LONGEST_LINE = 2000  # characters


@dataclass(frozen=True)
class Said:
    """A line that is not stored yet.

    Attributes:
        said_s: when it was said, on this process's `time.monotonic()`; the database makes a time of it.
        level: how grave it is.
        speaker: who said it.
        text: what.
    """

    said_s: float
    level: LogLevel
    speaker: LogSpeaker
    text: str


class RunLogLineRead(BaseModel):
    """One line."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Grows within a run.")
    attempt: int
    said_at: datetime
    level: LogLevel
    speaker: LogSpeaker = Field(description="The worker, or the solver that it runs.")
    text: str


class RunLogRead(BaseModel):
    """A part of the log of a run, oldest line first."""

    lines: list[RunLogLineRead]
    next_after: int = Field(description="Ask with it as `after` for what comes next.")
    has_more: bool = Field(description="More lines are there already: ask at once.")
    is_complete: bool = Field(
        description="The run has ended, and these are its last lines: nothing comes any more."
    )
