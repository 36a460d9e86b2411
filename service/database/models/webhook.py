"""Webhooks, what was to be delivered to them, and every attempt."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Moment, PrimaryKey, enum_column
from service.lifecycles import DeliveryStatus


class Webhook(Base):
    """An address that wants to hear of a campaign's events."""

    __tablename__ = "webhooks"
    __table_args__ = (CheckConstraint("cardinality(events) > 0", name="wants_events"),)

    id: Mapped[PrimaryKey]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    # Event types, or `noun.*`, or `*`.
    events: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    # Kept as it is: both sides need it to sign. It is shown once and never logged.
    secret: Mapped[str] = mapped_column(String(200))
    is_active: Mapped[bool] = mapped_column(default=True)
    # Events up to this position have become deliveries.
    seen_position: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]


class WebhookDelivery(Base):
    """One event for one webhook; the body is kept as it was signed, so that a replay sends the same."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "uq_webhook_deliveries_event",
            "webhook_id",
            "event_position",
            unique=True,
            postgresql_where=text("replay_of IS NULL"),
        ),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        Index(None, "webhook_id", "id"),
        CheckConstraint("(status = 'pending') = (next_attempt_at IS NOT NULL)", name="pending_is_due"),
        CheckConstraint("(status = 'pending') = (finished_at IS NULL)", name="ended_has_time"),
        CheckConstraint("attempt >= 0", name="attempt_not_negative"),
    )

    id: Mapped[PrimaryKey]
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_position: Mapped[int]
    event_type: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[DeliveryStatus] = mapped_column(
        enum_column(DeliveryStatus, "status"), default=DeliveryStatus.PENDING
    )
    attempt: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[Moment | None]
    replay_of: Mapped[int | None] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]

    webhook: Mapped[Webhook] = relationship(lazy="raise", viewonly=True)
    attempts: Mapped[list[WebhookAttempt]] = relationship(
        lazy="raise", order_by="WebhookAttempt.id", viewonly=True
    )


class WebhookAttempt(Base):
    """One request and what came of it: the delivery log."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        UniqueConstraint("delivery_id", "number"),
        CheckConstraint("status_code IS NOT NULL OR error <> ''", name="tells_what_came"),
    )

    id: Mapped[PrimaryKey]
    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    number: Mapped[int]
    started_at: Mapped[Moment]
    duration_ms: Mapped[int]
    status_code: Mapped[int | None]
    error: Mapped[str] = mapped_column(String(400), default="")
    answer: Mapped[str] = mapped_column(String(1000), default="")
