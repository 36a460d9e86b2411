"""What an event looks like from outside, the same on the stream and in a webhook."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.lifecycles import RecommendationStatus, RoundStep, RunStatus, UploadStatus
from service.vocabulary import FiringOutcome

# Noun -> its states: an event is named `noun.state`.
STATES: dict[str, list[str]] = {
    "valuation_run": [status.value for status in RunStatus],
    "acquisition_round": [status.value for status in RunStatus],
    "backtest": [status.value for status in RunStatus],
    "replay": [status.value for status in RunStatus],
    "simulation_run": [status.value for status in RunStatus],
    "import_run": [status.value for status in RunStatus],
    "upload": [status.value for status in UploadStatus],
    "recommendation": [status.value for status in RecommendationStatus],
    "round": [step.value for step in RoundStep],
    "schedule": [outcome.value for outcome in FiringOutcome],
}


def _check_pattern(pattern: str) -> str:
    """Refuse a pattern that no event will ever match.

    Raises:
        ValueError: naming what there is.
    """
    noun, _, state = pattern.partition(".")
    if pattern == "*" or (noun in STATES and state in {"*", *STATES[noun]}):
        return pattern
    if noun in STATES:
        raise ValueError(f"no event is called '{pattern}': use {noun}.* or one of {', '.join(STATES[noun])}")
    raise ValueError(f"no event is called '{pattern}': use * or begin with one of {', '.join(STATES)}")


EventPattern = Annotated[
    str,
    AfterValidator(_check_pattern),
    Field(description="`noun.state`, `noun.*` or `*`.", examples=["round.closed", "recommendation.*"]),
]


class EventRead(BaseModel):
    """One change in a campaign; `position` grows by time, with gaps."""

    model_config = ConfigDict(from_attributes=True)

    position: int
    campaign_id: int
    type: str
    payload: dict[str, Any]
    created_at: datetime
