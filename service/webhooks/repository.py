"""SQL of webhooks, deliveries and attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from service.database.models import Event, Webhook, WebhookAttempt, WebhookDelivery
from service.lifecycles import DeliveryStatus
from service.pagination import PageRequest


def add(session: Session, webhook: Webhook) -> Webhook:
    session.add(webhook)
    session.flush()
    return webhook


def get(session: Session, webhook_id: int) -> Webhook | None:
    return session.get(Webhook, webhook_id)


def get_for_update(session: Session, webhook_id: int) -> Webhook | None:
    statement = select(Webhook).where(Webhook.id == webhook_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def remove(session: Session, webhook_id: int) -> None:
    """With its deliveries and their attempts."""
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Webhook]:
    statement = select(Webhook).where(Webhook.campaign_id == campaign_id, Webhook.id > request.after)
    return session.scalars(statement.order_by(Webhook.id).limit(request.limit + 1)).all()


def behind(session: Session) -> Sequence[Webhook]:
    """Active webhooks with events that have not become deliveries, locked against other clocks."""
    newer = select(Event.id).where(
        Event.campaign_id == Webhook.campaign_id, Event.position > Webhook.seen_position
    )
    statement = select(Webhook).where(Webhook.is_active, newer.exists()).order_by(Webhook.id)
    return session.scalars(statement.with_for_update(skip_locked=True)).all()


def insert_deliveries(session: Session, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Ids in the order of the rows."""
    statement = insert(WebhookDelivery).returning(WebhookDelivery.id, sort_by_parameter_order=True)
    return list(session.scalars(statement, rows)) if rows else []


def due_ids(session: Session, now: datetime, *, limit: int) -> Sequence[int]:
    """Pending deliveries of active webhooks whose time has come, the longest waiting first."""
    statement = (
        select(WebhookDelivery.id)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(
            WebhookDelivery.status == DeliveryStatus.PENDING,
            WebhookDelivery.next_attempt_at <= now,
            Webhook.is_active,
        )
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(limit)
    )
    return session.scalars(statement).all()


def claim(
    session: Session, delivery_id: int, now: datetime, *, lease_until: datetime
) -> WebhookDelivery | None:
    """Begin an attempt, and be due again when nothing comes of it; None when it is not due (any more)."""
    active = select(Webhook.id).where(Webhook.id == WebhookDelivery.webhook_id, Webhook.is_active)
    statement = (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.status == DeliveryStatus.PENDING,
            WebhookDelivery.next_attempt_at <= now,
            active.exists(),
        )
        .values(attempt=WebhookDelivery.attempt + 1, next_attempt_at=lease_until)
        .execution_options(synchronize_session=False)
    )
    if cast("CursorResult[Any]", session.execute(statement)).rowcount == 0:
        return None
    return session.get(WebhookDelivery, delivery_id, options=[joinedload(WebhookDelivery.webhook)])


def finish_attempt(
    session: Session,
    delivery_id: int,
    attempt: int,
    **values: Any,  # noqa: ANN401 - any column
) -> bool:
    """Write what came of our attempt; False when the delivery is gone or another attempt has begun."""
    statement = (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.status == DeliveryStatus.PENDING,
            WebhookDelivery.attempt == attempt,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def add_attempt(session: Session, attempt: WebhookAttempt) -> None:
    session.add(attempt)


def get_delivery(session: Session, delivery_id: int) -> WebhookDelivery | None:
    options = [joinedload(WebhookDelivery.webhook), selectinload(WebhookDelivery.attempts)]
    return session.get(WebhookDelivery, delivery_id, options=options)


def deliveries_page(
    session: Session, webhook_id: int, request: PageRequest, *, status: DeliveryStatus | None
) -> Sequence[WebhookDelivery]:
    statement = select(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.id > request.after
    )
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    return session.scalars(statement.order_by(WebhookDelivery.id).limit(request.limit + 1)).all()


def newest_deliveries(
    session: Session, webhook_id: int, *, status: DeliveryStatus | None, before: int | None, limit: int
) -> Sequence[WebhookDelivery]:
    """With their attempts."""
    statement = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    if before is not None:
        statement = statement.where(WebhookDelivery.id < before)
    ordered = statement.order_by(WebhookDelivery.id.desc()).limit(limit)
    return session.scalars(ordered.options(selectinload(WebhookDelivery.attempts))).all()


def prune(session: Session, *, before: datetime, limit: int) -> int:
    """Delete ended deliveries that are older, with their attempts."""
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.status != DeliveryStatus.PENDING, WebhookDelivery.finished_at < before)
        .limit(limit)
    )
    statement = delete(WebhookDelivery).where(WebhookDelivery.id.in_(old))
    return cast(
        "CursorResult[Any]", session.execute(statement.execution_options(synchronize_session=False))
    ).rowcount
