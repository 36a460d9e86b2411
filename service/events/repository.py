"""SQL of the outbox: numbering after the commit, reading, retention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select, text, update
from sqlalchemy.orm import Session

from service.database.campaign_limits import ALL_CAMPAIGNS
from service.database.models import Event, Webhook
from service.database.models.event import EVENT_POSITIONS

# Any number that no other advisory lock uses.
NUMBERING_LOCK = 4_770_001
MOST_NUMBERED = 5000
MOST_PRUNED = 10_000


def number_new(session: Session) -> int:
    """Give committed events their positions, one numbering at a time; 0 when another one is at it.

    The lock is kept until the commit, so a position becomes visible only after all smaller ones: whoever reads
    up to a position has seen everything before it, in whatever order the writers committed.
    """
    waiting = select(select(Event.id).where(Event.position.is_(None)).exists())
    if not session.scalar(waiting.execution_options(**ALL_CAMPAIGNS)):
        return 0
    if not session.scalar(select(func.pg_try_advisory_xact_lock(NUMBERING_LOCK))):
        return 0
    # A statement of its own: it sees what was committed before the lock was ours.
    fresh = (
        select(Event.id).where(Event.position.is_(None)).order_by(Event.id).limit(MOST_NUMBERED).subquery()
    )
    numbered = select(fresh.c.id, EVENT_POSITIONS.next_value().label("position")).subquery()
    statement = (
        update(Event)
        .where(Event.id == numbered.c.id)
        .values(position=numbered.c.position)
        .execution_options(synchronize_session=False, **ALL_CAMPAIGNS)
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def after(session: Session, campaign_id: int, position: int, *, limit: int) -> Sequence[Event]:
    """Events behind the position, in order."""
    statement = select(Event).where(Event.campaign_id == campaign_id, Event.position > position)
    return session.scalars(statement.order_by(Event.position).limit(limit)).all()


def last_position(session: Session) -> int:
    """The highest position ever given, 0 before the first."""
    statement = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_positions")
    return int(session.scalars(statement).one())


def oldest_position(session: Session) -> int | None:
    """The lowest position that is still kept; None when there is none."""
    return session.scalar(select(func.min(Event.position)).execution_options(**ALL_CAMPAIGNS))


def prune(session: Session, *, before: datetime) -> int:
    """Delete numbered events that are older, the oldest first, a bounded number at once.

    One that an active webhook has not seen yet stays: after a long standstill it is still to be delivered.
    """
    unseen = select(Webhook.id).where(
        Webhook.campaign_id == Event.campaign_id, Webhook.is_active, Webhook.seen_position < Event.position
    )
    old = (
        select(Event.id)
        .where(Event.created_at < before, Event.position.is_not(None), ~unseen.exists())
        .order_by(Event.created_at)
        .limit(MOST_PRUNED)
    )
    statement = delete(Event).where(Event.id.in_(old)).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
