"""Rules of webhooks from outside: create, change, delete, look at deliveries, replay. Sending: `delivery.py`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.audit import repository as audit
from service.database.models import Campaign, Webhook, WebhookDelivery
from service.errors import ConflictError, NotFoundError
from service.events import repository as events
from service.lifecycles import DeliveryStatus
from service.pagination import PageRequest, cut_page
from service.queue.client import enqueue
from service.queue.messages import Message, TaskName
from service.webhooks import repository
from service.webhooks.address import Network, check_target
from service.webhooks.schemas import WebhookCreate, WebhookUpdate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SECRET_BYTES = 32


def create(
    session: Session, campaign: Campaign, request: WebhookCreate, *, actor: str, allowed: Sequence[Network]
) -> Webhook:
    """A webhook that hears of events from now on.

    Raises:
        InputError: if its address is none that may be called.
    """
    check_target(request.url, allowed)
    webhook = Webhook(
        campaign_id=campaign.id,
        url=request.url,
        events=request.events,
        secret=request.secret or secrets.token_urlsafe(SECRET_BYTES),
        seen_position=_now_position(session),
        created_by=actor,
    )
    repository.add(session, webhook)
    _audit(session, webhook, "create", actor, {"url": webhook.url, "events": webhook.events})
    return webhook


def _now_position(session: Session) -> int:
    events.number_new(session)
    return events.last_position(session)


def get(session: Session, webhook_id: int) -> Webhook:
    """The webhook.

    Raises:
        NotFoundError: if there is none with this id.
    """
    webhook = repository.get(session, webhook_id)
    if webhook is None:
        raise NotFoundError(f"There is no webhook {webhook_id}.")
    return webhook


def _locked(session: Session, webhook_id: int) -> Webhook:
    webhook = repository.get_for_update(session, webhook_id)
    if webhook is None:
        raise NotFoundError(f"There is no webhook {webhook_id}.")
    return webhook


def update(
    session: Session, webhook_id: int, request: WebhookUpdate, *, actor: str, allowed: Sequence[Network]
) -> Webhook:
    """Change what is given.

    Raises:
        NotFoundError: if there is none with this id.
        InputError: if its new address is none that may be called.
    """
    if request.url is not None:
        check_target(request.url, allowed)
    webhook = _locked(session, webhook_id)
    if request.is_active and not webhook.is_active:
        webhook.seen_position = _now_position(session)
    changes = request.model_dump(exclude_none=True)
    before = {name: getattr(webhook, name) for name in changes if name != "secret"}
    for name, value in changes.items():
        setattr(webhook, name, value)
    told = {name: "changed" if name == "secret" else value for name, value in changes.items()}
    _audit(session, webhook, "update", actor, told, before)
    return webhook


def delete(session: Session, webhook_id: int, *, actor: str) -> None:
    """Remove it with its deliveries.

    Raises:
        NotFoundError: if there is none with this id.
    """
    webhook = _locked(session, webhook_id)
    _audit(session, webhook, "delete", actor, None, {"url": webhook.url, "events": webhook.events})
    repository.remove(session, webhook_id)


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Webhook], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def deliveries_page(
    session: Session, webhook: Webhook, request: PageRequest, *, status: DeliveryStatus | None
) -> tuple[Sequence[WebhookDelivery], bool]:
    rows = repository.deliveries_page(session, webhook.id, request, status=status)
    return cut_page(rows, request.limit)


def newest_deliveries(
    session: Session, webhook: Webhook, *, status: DeliveryStatus | None, before: int | None, limit: int
) -> tuple[Sequence[WebhookDelivery], bool]:
    """Deliveries with their attempts, the newest first, and whether there are older ones."""
    rows = repository.newest_deliveries(session, webhook.id, status=status, before=before, limit=limit + 1)
    return cut_page(rows, limit)


def get_delivery(session: Session, delivery_id: int) -> WebhookDelivery:
    """The delivery with its webhook and its attempts.

    Raises:
        NotFoundError: if there is none with this id.
    """
    delivery = repository.get_delivery(session, delivery_id)
    if delivery is None:
        raise NotFoundError(f"There is no webhook delivery {delivery_id}.")
    return delivery


def replay(session: Session, delivery_id: int, *, actor: str) -> WebhookDelivery:
    """Deliver the same body once more, as a delivery of its own.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it is still being tried, or its webhook is not active.
    """
    old = get_delivery(session, delivery_id)
    if old.status is DeliveryStatus.PENDING:
        message = f"Delivery {delivery_id} is still being tried: next at {old.next_attempt_at}."
        raise ConflictError(message, hint="Wait until it is delivered or failed.")
    if not old.webhook.is_active:
        raise ConflictError("Its webhook is not active.", hint="PATCH the webhook with is_active first.")
    columns = {
        "webhook_id": old.webhook_id,
        "event_position": old.event_position,
        "event_type": old.event_type,
        "body": old.body,
        "status": DeliveryStatus.PENDING,
        "attempt": 0,
        "next_attempt_at": datetime.now(UTC),
        "replay_of": old.id,
    }
    (new_id,) = repository.insert_deliveries(session, [columns])
    _audit(session, old.webhook, "replay", actor, {"delivery": old.id})
    enqueue(session, Message(TaskName.WEBHOOK_DELIVER, new_id))
    return get_delivery(session, new_id)


def _audit(
    session: Session,
    webhook: Webhook,
    action: str,
    actor: str,
    after: dict[str, object] | None,
    before: dict[str, object] | None = None,
) -> None:
    audit.record(
        session,
        actor,
        action,
        "webhook",
        webhook.id,
        campaign_id=webhook.campaign_id,
        before=before,
        after=after,
    )
