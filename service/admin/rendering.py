"""Contexts into pages."""

from __future__ import annotations

from dataclasses import fields

from fastapi import Request
from fastapi.responses import HTMLResponse

from service.accounts.principals import Authenticated
from service.admin import flash
from service.admin.contexts.base import Context, Frame
from service.admin.live import is_renewal, position_of
from service.admin.templates_env import environment
from service.database.models import Campaign


def render(context: Context) -> str:
    """HTML of a page or of a part of one."""
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    return environment().get_template(context.template).render(values)


def fragment(context: Context) -> HTMLResponse:
    """A part of a page, for htmx; a message waits for the next whole page."""
    return HTMLResponse(render(context), headers={"cache-control": "no-store"})


def page(request: Request, context: Context) -> HTMLResponse:
    """A whole page; the message that it showed is forgotten (a renewal of its parts shows none).

    Decisions are taken on these pages: none may come out of a cache.
    """
    response = fragment(context)
    if not is_renewal(request):
        flash.forget(request, response)
    return response


def frame(request: Request, title: str, *, section: str = "", campaign: Campaign | None = None) -> Frame:
    """The layout of this request."""
    asking: Authenticated | None = getattr(request.state, "authenticated", None)
    return Frame(
        title=title,
        section=section,
        campaign_id=campaign.id if campaign else None,
        campaign_name=campaign.name if campaign else "",
        user=asking.principal.name if asking else "",
        signed_in=asking is not None and asking.session_id is not None,
        flash=None if is_renewal(request) else flash.read(request),
        position=position_of(request),
        scopes=asking.principal.scopes if asking else frozenset(),
    )
