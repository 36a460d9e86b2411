"""From events to requests: fan-out once per event, attempts with back-off, everything written down."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import Webhook, WebhookAttempt, WebhookDelivery
from service.events import repository as events
from service.events.schemas import EventRead
from service.lifecycles import DeliveryStatus
from service.queue.client import enqueue
from service.queue.messages import Message, TaskName
from service.settings import Settings
from service.webhooks import repository
from service.webhooks.address import networks_of
from service.webhooks.sending import Answer, headers_of, post

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

logger = logging.getLogger(__name__)
EVENTS_AT_ONCE = 500
DUE_AT_ONCE = 200
PRUNED_AT_ONCE = 10_000
# A worker that dies in an attempt keeps the delivery for so long, beyond the time of the request.
LEASE_MARGIN_S = 60.0
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 6 * 3600.0


def dispatch(sessions: sessionmaker[Session], *, now: datetime | None = None) -> int:
    """Make deliveries of new events, and send messages for all that are due; how many messages.

    A message that is lost is sent again at the next tick; one that comes twice finds nothing due.
    """
    with unit_of_work(sessions) as session:
        events.number_new(session)
    with unit_of_work(sessions) as session:
        now = now or database_time(session)
        for webhook in repository.behind(session):
            _fan_out(session, webhook, now)
    with unit_of_work(sessions) as session:
        due = repository.due_ids(session, now, limit=DUE_AT_ONCE)
        for delivery_id in due:
            enqueue(session, Message(TaskName.WEBHOOK_DELIVER, delivery_id))
    return len(due)


def _fan_out(session: Session, webhook: Webhook, now: datetime) -> None:
    rows = events.after(session, webhook.campaign_id, webhook.seen_position, limit=EVENTS_AT_ONCE)
    found = [EventRead.model_validate(row) for row in rows]
    wanted = [event for event in found if matches(event.type, webhook.events)]
    repository.insert_deliveries(session, [_delivery(webhook, event, now) for event in wanted])
    webhook.seen_position = found[-1].position


def matches(event_type: str, patterns: list[str]) -> bool:
    """Whether one of the patterns (`*`, `noun.*` or the type itself) means this event."""
    noun = event_type.partition(".")[0]
    return not {"*", f"{noun}.*", event_type}.isdisjoint(patterns)


def _delivery(webhook: Webhook, event: EventRead, now: datetime) -> dict[str, Any]:
    return {
        "webhook_id": webhook.id,
        "event_position": event.position,
        "event_type": event.type,
        "body": event.model_dump_json(),
        "status": DeliveryStatus.PENDING,
        "attempt": 0,
        "next_attempt_at": now,
    }


def deliver(sessions: sessionmaker[Session], delivery_id: int, settings: Settings) -> None:
    """One attempt: claimed, sent with no session open, written down."""
    with unit_of_work(sessions) as session:
        now = database_time(session)
        lease_until = now + timedelta(seconds=settings.webhook_timeout_s + LEASE_MARGIN_S)
        delivery = repository.claim(session, delivery_id, now, lease_until=lease_until)
    if delivery is None:
        logger.info("webhook delivery %s is not due: nothing to send", delivery_id)
        return
    begun = time.monotonic()
    answer = _send(delivery, now, settings)
    duration_ms = round(1000 * (time.monotonic() - begun))
    with unit_of_work(sessions) as session:
        ended = _ending(delivery.attempt, answer, settings.webhook_attempts, database_time(session))
        if repository.finish_attempt(session, delivery.id, delivery.attempt, **ended):
            repository.add_attempt(session, _log_of(delivery, now, duration_ms, answer))


def _send(delivery: WebhookDelivery, now: datetime, settings: Settings) -> Answer:
    body, webhook = delivery.body.encode(), delivery.webhook
    headers = headers_of(
        secret=webhook.secret,
        delivery_id=delivery.id,
        event_type=delivery.event_type,
        timestamp_s=int(now.timestamp()),
        body=body,
    )
    allowed = networks_of(settings.webhook_allowed_networks)
    return post(webhook.url, headers, body, timeout_s=settings.webhook_timeout_s, allowed=allowed)


def _ending(attempt: int, answer: Answer, most_attempts: int, now: datetime) -> dict[str, Any]:
    if answer.is_success or attempt >= most_attempts:
        status = DeliveryStatus.DELIVERED if answer.is_success else DeliveryStatus.FAILED
        return {"status": status, "next_attempt_at": None, "finished_at": now}
    return {"next_attempt_at": now + timedelta(seconds=pause_s(attempt, secrets.SystemRandom().random))}


def pause_s(attempt: int, draw: Callable[[], float]) -> float:
    """Pause after the attempt (1, 2, ...): doubled each time up to a limit, times 0.5 to 1.5.

    Args:
        attempt: the one that failed.
        draw: uniform in [0, 1): without it, all deliveries that failed together would come back together.
    """
    return float(min(FIRST_PAUSE_S * 2.0 ** (attempt - 1), LONGEST_PAUSE_S) * (0.5 + draw()))


def _log_of(
    delivery: WebhookDelivery, started_at: datetime, duration_ms: int, answer: Answer
) -> WebhookAttempt:
    return WebhookAttempt(
        delivery_id=delivery.id,
        number=delivery.attempt,
        started_at=started_at,
        duration_ms=duration_ms,
        status_code=answer.status_code,
        error=answer.error,
        answer=answer.text,
    )


def prune(session: Session, *, now: datetime, keep_days: int) -> int:
    """Delete ended deliveries that are older than the retention; how many."""
    return repository.prune(session, before=now - timedelta(days=keep_days), limit=PRUNED_AT_ONCE)
