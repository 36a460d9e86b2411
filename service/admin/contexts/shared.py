"""Lines that several pages show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.lifecycles import RunStatus
from service.vocabulary import Evidence


@dataclass(frozen=True)
class EvidenceView:
    """Whether the advice has proved itself, with the sentence that says so."""

    verdict: Evidence
    sentence: str


@dataclass(frozen=True)
class RunLine:
    """A run of any kind; `key` is unique on a page, `result` what came out.

    `cancel_text` says what a cancellation means where more is lost than what was computed.
    """

    key: str
    id: int
    name: str
    status: RunStatus
    progress_percent: float
    message: str
    seconds_left: float | None
    duration_s: float | None
    device: str | None
    attempt: int
    requested_by: str
    created_at: datetime
    settings: str
    result: str
    error: str | None
    cancel_url: str | None
    is_cancelling: bool
    retry_url: str | None = None
    attempts_url: str | None = None
    url: str = ""
    cancel_text: str = ""


@dataclass(frozen=True)
class ValueLine:
    """A sample's data value; `why` names the side that pulls it down, `side` is its badge."""

    sample_id: int
    name: str
    source: str
    target: str
    value: str
    spread: str
    value_target_loss: str
    value_transport: str
    rank: int
    side: Literal["label", "features", "none"]
    why: str
