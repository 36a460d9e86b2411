"""REST: webhooks and their deliveries."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response, status

from service.dependencies import (
    CampaignDep,
    PageDep,
    Principal,
    SessionDep,
    SettingsDep,
    requires,
)
from service.lifecycles import DeliveryStatus
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.vocabulary import Scope
from service.webhooks import service
from service.webhooks.address import Network, networks_of
from service.webhooks.schemas import (
    DeliveryDetail,
    DeliveryRead,
    WebhookCreate,
    WebhookCreated,
    WebhookRead,
    WebhookUpdate,
)

router = NounRouter(tags=["webhooks"])


def _allowed(settings: SettingsDep) -> tuple[Network, ...]:
    return networks_of(settings.webhook_allowed_networks)


AllowedDep = Annotated[tuple[Network, ...], Depends(_allowed)]


@router.post(
    "/campaigns/{campaign_id}/webhooks",
    status_code=status.HTTP_201_CREATED,
    responses=responses(404, 422),
)
@requires(Scope.ADMIN)
def create_webhook(
    request: WebhookCreate,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    allowed: AllowedDep,
    response: Response,
) -> WebhookCreated:
    """Have events POSTed to an address, signed: docs/automation.md shows how to check the signature."""
    webhook = service.create(session, campaign, request, actor=principal.name, allowed=allowed)
    response.headers["Location"] = f"/api/v1/webhooks/{webhook.id}"
    return WebhookCreated.model_validate(webhook)


@router.get("/campaigns/{campaign_id}/webhooks", responses=responses(400, 404))
@requires(Scope.ADMIN)
def list_webhooks(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[WebhookRead]:
    """Webhooks of a campaign, oldest first; their secrets are not shown."""
    rows, more = service.page(session, campaign, page)
    items = [WebhookRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/webhooks/{webhook_id}", responses=responses(404))
@requires(Scope.ADMIN)
def read_webhook(webhook_id: int, session: SessionDep) -> WebhookRead:
    """One webhook."""
    return WebhookRead.model_validate(service.get(session, webhook_id))


@router.patch("/webhooks/{webhook_id}", responses=responses(404, 422))
@requires(Scope.ADMIN)
def update_webhook(
    webhook_id: int,
    request: WebhookUpdate,
    session: SessionDep,
    principal: Principal,
    allowed: AllowedDep,
) -> WebhookRead:
    """Change address, events or secret; switch it off and on."""
    webhook = service.update(session, webhook_id, request, actor=principal.name, allowed=allowed)
    return WebhookRead.model_validate(webhook)


@router.delete("/webhooks/{webhook_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(404))
@requires(Scope.ADMIN)
def delete_webhook(webhook_id: int, session: SessionDep, principal: Principal) -> None:
    """Remove a webhook with its deliveries."""
    service.delete(session, webhook_id, actor=principal.name)


@router.get("/webhooks/{webhook_id}/deliveries", responses=responses(400, 404))
@requires(Scope.ADMIN)
def list_webhook_deliveries(
    webhook_id: int, session: SessionDep, page: PageDep, status: DeliveryStatus | None = None
) -> Page[DeliveryRead]:
    """What was and is to be delivered, oldest first."""
    rows, more = service.deliveries_page(session, service.get(session, webhook_id), page, status=status)
    items = [DeliveryRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/webhook-deliveries/{delivery_id}", responses=responses(404))
@requires(Scope.ADMIN)
def read_webhook_delivery(delivery_id: int, session: SessionDep) -> DeliveryDetail:
    """One delivery with its body and every attempt."""
    return DeliveryDetail.model_validate(service.get_delivery(session, delivery_id))


@router.post("/webhook-deliveries/{delivery_id}:replay", status_code=202, responses=responses(404, 409))
@requires(Scope.ADMIN)
def replay_webhook_delivery(delivery_id: int, session: SessionDep, principal: Principal) -> DeliveryDetail:
    """Send the same body once more, as a delivery of its own."""
    return DeliveryDetail.model_validate(service.replay(session, delivery_id, actor=principal.name))
