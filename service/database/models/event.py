"""The outbox: what happened in a campaign, written in the transaction in which it happened."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Sequence, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base, Created, Document, PrimaryKey

# Positions only grow, also when all events were pruned: a reader that was away long finds out.
EVENT_POSITIONS = Sequence("event_positions", metadata=Base.metadata)


class Event(Base):
    """One change; triggers on the changed tables write it, so that no code can forget to.

    Ids are drawn before the commit and so become visible out of order: a reader that remembers the last id
    would lose events. `position` is drawn after the commit, by one numbering at a time.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_unnumbered", "id", postgresql_where=text("position IS NULL")),
        Index(None, "campaign_id", "position"),
        Index(None, "created_at"),
    )

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    position: Mapped[int | None] = mapped_column(unique=True)
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[Document]
    created_at: Mapped[Created]
