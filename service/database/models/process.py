"""Processes that give signs of life."""

from __future__ import annotations

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base, Created, PrimaryKey, enum_column
from service.vocabulary import ProcessKind


class Process(Base):
    """A worker or a beat, and when it was last seen by the database's clock; gone when it ended in order.

    Celery's own ping is no substitute: a worker with a solo pool does not answer while it trains.
    """

    __tablename__ = "processes"
    __table_args__ = (UniqueConstraint("host", "pid", "kind"),)

    id: Mapped[PrimaryKey]
    kind: Mapped[ProcessKind] = mapped_column(enum_column(ProcessKind, "kind"))
    host: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int]
    queues: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    started_at: Mapped[Created]
    seen_at: Mapped[Created]
