"""Deliveries of a webhook with their attempts."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request

from service.admin.contexts.settings import AttemptLine, DeliveriesContext, DeliveryLine
from service.admin.rendering import frame
from service.database.models import Campaign, Webhook, WebhookAttempt, WebhookDelivery
from service.dependencies import SessionDep
from service.lifecycles import DeliveryStatus
from service.webhooks import service as webhooks

PAGE_SIZE = 50


def deliveries_context(
    request: Request,
    session: SessionDep,
    campaign: Campaign,
    webhook: Webhook,
    status: DeliveryStatus | None,
    before: int | None,
) -> DeliveriesContext:
    """Newest first, of one status or of all."""
    rows, more = webhooks.newest_deliveries(session, webhook, status=status, before=before, limit=PAGE_SIZE)
    path = f"/webhooks/{webhook.id}/deliveries"
    query = {"status": status.value} if status else {}
    return DeliveriesContext(
        frame=frame(request, "Deliveries", section="settings", campaign=campaign),
        url=webhook.url,
        is_active=webhook.is_active,
        deliveries=[_line(row, is_active=webhook.is_active) for row in rows],
        filters=[
            ("all", path, status is None),
            *((one.value, f"{path}?status={one.value}", one is status) for one in DeliveryStatus),
        ],
        older_url=f"{path}?{urlencode(query | {'before': rows[-1].id})}" if more else None,
    )


def _line(row: WebhookDelivery, *, is_active: bool) -> DeliveryLine:
    return DeliveryLine(
        id=row.id,
        event_type=row.event_type,
        event_position=row.event_position,
        status=row.status,
        next_attempt_at=row.next_attempt_at,
        created_at=row.created_at,
        replay_of=row.replay_of,
        attempts=[_attempt(attempt) for attempt in row.attempts],
        may_replay=is_active and row.status is not DeliveryStatus.PENDING,
    )


def _attempt(row: WebhookAttempt) -> AttemptLine:
    outcome = row.error or (f"status {row.status_code}" if row.status_code else "no answer")
    return AttemptLine(row.number, row.started_at, row.duration_ms, outcome, row.answer)
