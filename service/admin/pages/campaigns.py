"""`/campaigns`: all campaigns, or how to make the first one."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from service.admin import navigation
from service.admin.contexts.campaigns import CampaignLine, CampaignsContext, Choice, SwitcherContext
from service.admin.pages.wording import target_with_unit
from service.admin.rendering import fragment, frame, page
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignCreate
from service.dependencies import GuardedRoute, SessionDep

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 50
MENU_SIZE = 20


@router.get("/")
def start() -> RedirectResponse:
    return RedirectResponse("/campaigns", status_code=303)


@router.get("/campaigns")
def list_campaigns(
    request: Request, session: SessionDep, before: Annotated[int | None, Query(ge=1)] = None
) -> HTMLResponse:
    found, more = campaigns.newest_with_counts(session, limit=PAGE_SIZE, before=before)
    context = CampaignsContext(
        frame=frame(request, "Campaigns"),
        campaigns=[_line(counts) for counts in found],
        older_url=f"/campaigns?before={found[-1].campaign.id}" if more else None,
        example_call=_example_call(str(request.base_url)),
    )
    return page(request, context)


@router.get("/campaigns/switcher")
def show_switcher(session: SessionDep, section: str = "", current: int = 0) -> HTMLResponse:
    """The menu in the header: the same page of another campaign."""
    found, more = campaigns.newest_with_counts(session, limit=MENU_SIZE)
    path = next((entry.path for entry in navigation.CAMPAIGN if entry.section == section), "")
    choices = [
        Choice(counts.campaign.name, f"/campaigns/{counts.campaign.id}{path}", counts.campaign.id == current)
        for counts in found
    ]
    return fragment(SwitcherContext(campaigns=choices, has_more=more))


def _line(counts: campaigns.CampaignCounts) -> CampaignLine:
    campaign = counts.campaign
    return CampaignLine(
        id=campaign.id,
        name=campaign.name,
        target=target_with_unit(campaign),
        labelled=counts.labelled,
        candidates=counts.candidates,
        proposed=counts.proposed,
        budget=campaign.budget,
        currency=campaign.currency,
        created_at=campaign.created_at,
    )


def _example_call(base_url: str) -> str:
    """The example of the API's own schema, so that it cannot go out of date."""
    extra = CampaignCreate.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    body = json.dumps(extra["example"], indent=2)
    return f"curl {base_url}api/v1/campaigns \\\n  -H 'content-type: application/json' -d '{body}'"
