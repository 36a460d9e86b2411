"""Rules of the outbox: read on from a position, and know when something is missing before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from service.campaigns import service as campaigns
from service.errors import InputError
from service.events import repository
from service.events.schemas import EventRead
from service.rounds import service as rounds

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Events of one read; more follow at once.
PAGE = 200


@dataclass(frozen=True)
class Start:
    """Where a stream begins: behind `position`, with a snapshot for a client that cannot know what was before."""

    position: int
    snapshot: dict[str, Any] | None


def parse_position(last_event_id: str | None) -> int | None:
    """The position that a client has seen; None when it names none.

    Raises:
        InputError: if it is none of ours.
    """
    if not last_event_id:
        return None
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
        hint = "Send the `id` of the last event unchanged, or leave the header out for a snapshot."
        raise InputError("Last-Event-ID is not one of ours.", hint=hint)
    return int(last_event_id)


def start(session: Session, campaign_id: int, seen: int | None) -> Start:
    """Go on behind what was seen; with a snapshot where that is nothing, was pruned, or never was here."""
    repository.number_new(session)
    newest = repository.last_position(session)
    oldest = repository.oldest_position(session)
    complete_after = newest if oldest is None else oldest - 1
    if seen is not None and complete_after <= seen <= newest:
        return Start(seen, None)
    return Start(newest, snapshot(session, campaign_id))


def snapshot(session: Session, campaign_id: int) -> dict[str, Any]:
    """The state of a campaign, from which its events go on."""
    campaign = campaigns.get(session, campaign_id)
    open_round = rounds.open_round(session, campaign)
    return {
        "campaign_id": campaign_id,
        "summary": campaigns.summary(session, campaign).model_dump(mode="json"),
        "open_round": None
        if open_round is None
        else rounds.read(session, open_round).model_dump(mode="json"),
    }


def newest_position(session: Session) -> int:
    """The highest position so far, 0 before the first event: who reads on behind it misses nothing."""
    return repository.last_position(session)


def following(session: Session, campaign_id: int, position: int) -> list[EventRead]:
    """The next events behind a position, in order; committed ones only, and none is ever left out."""
    repository.number_new(session)
    rows = repository.after(session, campaign_id, position, limit=PAGE)
    return [EventRead.model_validate(row) for row in rows]


def prune(session: Session, *, now: datetime, keep_days: int) -> int:
    """Delete what is older than the retention; how many."""
    return repository.prune(session, before=now - timedelta(days=keep_days))
