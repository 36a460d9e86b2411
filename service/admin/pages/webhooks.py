"""`/campaigns/{id}/webhooks`: addresses that hear of events; and their deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.admin import shown_once
from service.admin.attempts import attempt
from service.admin.contexts.settings import WebhookLine, WebhooksContext
from service.admin.forms import FormDep, parse_document
from service.admin.pages.administration import PAGE_SIZE, SEPARATORS, After, next_url
from service.admin.pages.deliveries import deliveries_context
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.campaigns import service as campaigns
from service.database.models import Campaign, Webhook
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, requires
from service.lifecycles import DeliveryStatus
from service.pagination import PageRequest
from service.vocabulary import Scope
from service.webhooks import service as webhooks
from service.webhooks.routes import AllowedDep
from service.webhooks.schemas import WebhookCreate, WebhookUpdate

router = APIRouter(route_class=GuardedRoute)


def webhooks_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/webhooks"


@router.get("/campaigns/{campaign_id:int}/webhooks")
@requires(Scope.ADMIN)
def show_webhooks(
    request: Request, campaign: CampaignDep, session: SessionDep, after: After = 0
) -> HTMLResponse:
    context = _context(request, session, campaign, {}, after=after, secret=shown_once.read(request))
    response = page(request, context)
    shown_once.forget(request, response)
    return response


def _context(
    request: Request,
    session: SessionDep,
    campaign: Campaign,
    form: Mapping[str, str],
    *,
    after: int = 0,
    secret: str = "",
) -> WebhooksContext:
    rows, more = webhooks.page(session, campaign, PageRequest(after, PAGE_SIZE))
    return WebhooksContext(
        frame=frame(request, "Webhooks", section="settings", campaign=campaign),
        webhooks=[_line(row) for row in rows],
        typed=echo(form),
        secret=secret,
        next_url=next_url(webhooks_url(campaign.id), rows, more=more),
    )


def _line(row: Webhook) -> WebhookLine:
    return WebhookLine(row.id, row.url, row.events, row.is_active, row.created_by, row.created_at)


def _document(form: Mapping[str, str]) -> dict[str, Any]:
    events = [text for text in SEPARATORS.split(form.get("events", "")) if text]
    document: dict[str, Any] = {"url": form.get("url", ""), "events": events}
    return document | ({"secret": form["secret"]} if "secret" in form else {})


@router.post("/campaigns/{campaign_id:int}/webhooks")
@requires(Scope.ADMIN)
def add_webhook(
    request: Request,
    campaign: CampaignDep,
    form: FormDep,
    session: SessionDep,
    principal: Principal,
    allowed: AllowedDep,
) -> Response:
    def change() -> Response:
        wanted = parse_document(WebhookCreate, _document(form))
        webhook = webhooks.create(session, campaign, wanted, actor=principal.name, allowed=allowed)
        url = webhooks_url(campaign.id)
        return shown_once.redirect_with(
            request, url, f"{webhook.url} hears of what comes now.", webhook.secret
        )

    return changed_or_refused(request, session, change, lambda: _context(request, session, campaign, form))


@router.post("/webhooks/{webhook_id:int}/change")
@requires(Scope.ADMIN)
def change_webhook(
    webhook_id: int, form: FormDep, session: SessionDep, principal: Principal, allowed: AllowedDep
) -> RedirectResponse:
    """Address and events; an empty secret stays what it is."""
    webhook = webhooks.get(session, webhook_id)

    def change() -> str:
        wanted = parse_document(WebhookUpdate, _document(form))
        webhooks.update(session, webhook_id, wanted, actor=principal.name, allowed=allowed)
        return f"{webhook.url} is changed."

    return attempt(session, webhooks_url(webhook.campaign_id), change)


@router.post("/webhooks/{webhook_id:int}/pause")
@requires(Scope.ADMIN)
def pause_webhook(
    webhook_id: int, session: SessionDep, principal: Principal, allowed: AllowedDep
) -> RedirectResponse:
    return _set_active(webhook_id, session, principal, allowed, is_active=False)


@router.post("/webhooks/{webhook_id:int}/resume")
@requires(Scope.ADMIN)
def resume_webhook(
    webhook_id: int, session: SessionDep, principal: Principal, allowed: AllowedDep
) -> RedirectResponse:
    return _set_active(webhook_id, session, principal, allowed, is_active=True)


def _set_active(
    webhook_id: int, session: SessionDep, principal: Principal, allowed: AllowedDep, *, is_active: bool
) -> RedirectResponse:
    webhook = webhooks.get(session, webhook_id)

    def change() -> str:
        wanted = WebhookUpdate(is_active=is_active)
        webhooks.update(session, webhook_id, wanted, actor=principal.name, allowed=allowed)
        return f"{webhook.url} {'hears again of what comes now' if is_active else 'is paused'}."

    return attempt(session, webhooks_url(webhook.campaign_id), change)


@router.post("/webhooks/{webhook_id:int}/delete")
@requires(Scope.ADMIN)
def delete_webhook(webhook_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    webhook = webhooks.get(session, webhook_id)
    url, address = webhooks_url(webhook.campaign_id), webhook.url

    def change() -> str:
        webhooks.delete(session, webhook_id, actor=principal.name)
        return f"{address} is deleted, with its deliveries."

    return attempt(session, url, change)


@router.get("/webhooks/{webhook_id:int}/deliveries")
@requires(Scope.ADMIN)
def show_deliveries(
    request: Request,
    webhook_id: int,
    session: SessionDep,
    status: DeliveryStatus | None = None,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    webhook = webhooks.get(session, webhook_id)
    campaign = campaigns.get(session, webhook.campaign_id)
    return page(request, deliveries_context(request, session, campaign, webhook, status, before))


@router.post("/webhook-deliveries/{delivery_id:int}/replay")
@requires(Scope.ADMIN)
def replay_delivery(delivery_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    delivery = webhooks.get_delivery(session, delivery_id)

    def change() -> str:
        made = webhooks.replay(session, delivery_id, actor=principal.name)
        return f"Delivery {delivery_id} is sent once more, as delivery {made.id}."

    return attempt(session, f"/webhooks/{delivery.webhook_id}/deliveries", change)
