"""Who did what, when, to which row; append-only."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import AskedIn, Base, Created, Document, PrimaryKey


class AuditEvent(Base):
    """Written in the transaction of the change itself, so that neither can exist without the other."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "entity", "entity_id"),
        Index(None, "campaign_id", "id"),
        Index(None, "actor", "id"),
    )

    id: Mapped[PrimaryKey]
    # No foreign key: an audit event outlives what it speaks of.
    campaign_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(200))
    # Null where no request stands behind the change: a worker, the schedule, the command line.
    principal_id: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[AskedIn]
    action: Mapped[str] = mapped_column(String(64))
    entity: Mapped[str] = mapped_column(String(64))
    entity_id: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[Document | None]
    after: Mapped[Document | None]
    created_at: Mapped[Created] = mapped_column(index=True)
