"""`/campaigns/{id}/settings`: where labels are bought, at what price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.admin import flash
from service.admin.attempts import attempt
from service.admin.contexts.settings import SourceLine, SourcesContext
from service.admin.formats import seconds, words
from service.admin.forms import FormDep, ListsDep, parse_document
from service.admin.pages.wording import target_with_unit
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.admin.solver_forms import ORACLES, READERS, choices, inputs_of, settings_of, typed_solver
from service.campaigns import sources
from service.campaigns.schemas import SourceCreate, SourceUpdate
from service.database.models import Campaign, Source
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, SettingsDep
from service.settings import Settings
from service.vocabulary import Oracle

router = APIRouter(route_class=GuardedRoute)
SOLVER = "solver_"  # begins the names of the inputs of a source's own solver


def settings_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/settings"


@router.get("/campaigns/{campaign_id:int}/settings")
def show_settings(request: Request, campaign: CampaignDep) -> HTMLResponse:
    return page(request, _context(request, campaign, {}, {}))


def _context(
    request: Request, campaign: Campaign, form: Mapping[str, str], solver: dict[str, Any]
) -> SourcesContext:
    settings: Settings = request.app.state.settings
    return SourcesContext(
        frame=frame(request, "Sources and costs", section="settings", campaign=campaign),
        sources=[_line(source) for source in campaign.sources],
        currency=campaign.currency,
        budget=campaign.budget,
        target=target_with_unit(campaign),
        features=len(campaign.feature_schema),
        four_eyes=campaign.four_eyes,
        choices=choices(settings.oracle_commands),
        typed=echo(form),
        solver=inputs_of(solver),
    )


def _line(source: Source) -> SourceLine:
    return SourceLine(
        id=source.id,
        name=source.name,
        kind=source.kind,
        oracle=ORACLES.get(source.oracle or "", ""),
        solver=_facts(source.oracle_settings),
        acquisition_cost=source.acquisition_cost,
        lead_time_hours=source.lead_time_hours,
        capacity=source.capacity,
    )


def _facts(settings: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """A solver in short: what runs, with which files, for how long, and where its result stands."""
    if settings is None:
        return []
    result = settings["result"]
    return [
        ("Command", " ".join(settings["command"])),
        ("Input files", ", ".join(settings["input_files"]) or "none"),
        ("Time limit", seconds(settings["timeout_s"])),
        ("Result", f"{READERS[result['reader']]}, {result['path']} {result.get('field', '')}".strip()),
    ]


@router.post("/campaigns/{campaign_id:int}/sources")
def add_source(
    request: Request,
    campaign: CampaignDep,
    form: FormDep,
    lists: ListsDep,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
) -> Response:
    solver = typed_solver(lists, SOLVER)
    typed = {name: text for name, text in form.items() if not name.startswith(SOLVER)}

    def change() -> Response:
        document: dict[str, Any] = typed | {"currency": campaign.currency}
        if typed.get("oracle") == Oracle.COMMAND:
            document["oracle_settings"] = settings_of(solver, "solver")
        wanted = parse_document(SourceCreate, document)
        commands = settings.oracle_commands
        source = sources.add(session, campaign, wanted, actor=principal.name, oracle_commands=commands)
        return flash.redirect(settings_url(campaign.id), "ok", f"Source {words(source.name)} is added.")

    return changed_or_refused(request, session, change, lambda: _context(request, campaign, typed, solver))


@router.post("/campaigns/{campaign_id:int}/sources/{source_id:int}/change")
def change_source(
    source_id: int, campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """All three fields at once: an empty capacity is no limit."""
    source = sources.get(campaign, source_id)

    def change() -> str:
        wanted = parse_document(SourceUpdate, {"capacity": None} | form)
        sources.update(session, campaign, source.id, wanted, actor=principal.name)
        return f"Source {words(source.name)} is changed, for what is proposed from now on."

    return attempt(session, settings_url(campaign.id), change)
