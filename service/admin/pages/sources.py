"""`/campaigns/{id}/settings`: where labels are bought, at what price."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.admin import flash
from service.admin.attempts import attempt
from service.admin.contexts.settings import SourceLine, SourcesContext
from service.admin.forms import FormDep, parse_document
from service.admin.pages.wording import target_with_unit
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.campaigns import sources
from service.campaigns.schemas import SourceCreate, SourceUpdate
from service.database.models import Campaign, Source
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, SettingsDep
from service.vocabulary import Oracle

router = APIRouter(route_class=GuardedRoute)


def settings_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/settings"


@router.get("/campaigns/{campaign_id:int}/settings")
def show_settings(request: Request, campaign: CampaignDep) -> HTMLResponse:
    return page(request, _context(request, campaign, {}))


def _context(request: Request, campaign: Campaign, form: Mapping[str, str]) -> SourcesContext:
    return SourcesContext(
        frame=frame(request, "Sources and costs", section="settings", campaign=campaign),
        sources=[_line(source) for source in campaign.sources],
        currency=campaign.currency,
        budget=campaign.budget,
        target=target_with_unit(campaign),
        features=len(campaign.feature_schema),
        four_eyes=campaign.four_eyes,
        # The oracle `command` needs settings that no form holds: the API takes them.
        oracles=[oracle.value for oracle in Oracle if oracle is not Oracle.COMMAND],
        typed=echo(form),
    )


def _line(source: Source) -> SourceLine:
    return SourceLine(
        id=source.id,
        name=source.name,
        kind=source.kind,
        oracle=source.oracle or "",
        acquisition_cost=source.acquisition_cost,
        lead_time_hours=source.lead_time_hours,
        capacity=source.capacity,
    )


@router.post("/campaigns/{campaign_id:int}/sources")
def add_source(
    request: Request,
    campaign: CampaignDep,
    form: FormDep,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
) -> Response:
    def change() -> Response:
        wanted = parse_document(SourceCreate, form | {"currency": campaign.currency})
        commands = settings.oracle_commands
        source = sources.add(session, campaign, wanted, actor=principal.name, oracle_commands=commands)
        return flash.redirect(settings_url(campaign.id), "ok", f"Source {source.name} is there.")

    return changed_or_refused(request, session, change, lambda: _context(request, campaign, form))


@router.post("/campaigns/{campaign_id:int}/sources/{source_id:int}/change")
def change_source(
    source_id: int, campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """All three fields at once: an empty capacity is no limit."""
    source = sources.get(campaign, source_id)

    def change() -> str:
        wanted = parse_document(SourceUpdate, {"capacity": None} | form)
        sources.update(session, campaign, source.id, wanted, actor=principal.name)
        return f"Source {source.name} is changed, for what is proposed from now on."

    return attempt(session, settings_url(campaign.id), change)
