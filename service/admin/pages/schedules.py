"""`/campaigns/{id}/schedules`: what starts rounds by itself, when next, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from service.admin import flash
from service.admin.contexts.settings import FiringLine, ScheduleLine, SchedulesContext
from service.admin.forms import FormDep, parse_document
from service.admin.pages.administration import PAGE_SIZE, After, next_url
from service.admin.pages.schedule_forms import (
    DEFAULTS,
    KINDS,
    MISFIRES,
    create_document,
    rules_in_words,
    trigger_inputs,
    when_in_words,
)
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.database.models import Campaign, Schedule
from service.dependencies import CampaignDep, GuardedRoute, Principal, PrincipalInfo, SessionDep
from service.lifecycles import ScheduleStatus
from service.pagination import PageRequest
from service.schedules import service as schedules
from service.schedules.schemas import ScheduleCreate
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute)
SHOWN_FIRINGS = 5


def schedules_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/schedules"


@router.get("/campaigns/{campaign_id:int}/schedules")
def show_schedules(
    request: Request, campaign: CampaignDep, session: SessionDep, principal: Principal, after: After = 0
) -> HTMLResponse:
    return page(request, schedules_context(request, session, campaign, principal, after=after))


def schedules_context(
    request: Request,
    session: SessionDep,
    campaign: Campaign,
    principal: PrincipalInfo,
    *,
    after: int = 0,
    form: Mapping[str, str] | None = None,
) -> SchedulesContext:
    rows, more = schedules.page(session, campaign, PageRequest(after, PAGE_SIZE))
    may_approve = Scope.APPROVE in principal.scopes
    lines = [_line(session, row, campaign, may_approve=may_approve) for row in rows]
    return SchedulesContext(
        frame=frame(request, "Schedules", section="settings", campaign=campaign),
        schedules=sorted(lines, key=lambda line: line.status is ScheduleStatus.ENDED),
        typed=DEFAULTS | echo(form or {}),
        misfires=MISFIRES,
        kinds=KINDS,
        currency=campaign.currency,
        may_approve=may_approve,
        next_url=next_url(schedules_url(campaign.id), rows, more=more),
    )


def _line(session: SessionDep, row: Schedule, campaign: Campaign, *, may_approve: bool) -> ScheduleLine:
    read = schedules.read(session, row)
    found = schedules.newest_firings(session, row.id, limit=SHOWN_FIRINGS)
    return ScheduleLine(
        id=row.id,
        name=row.name,
        status=row.status,
        when=when_in_words(read.trigger),
        time_zone=row.time_zone,
        rules=rules_in_words(row.configuration, campaign.currency),
        next_runs=[run.due_at for run in read.next_runs],
        labels_missing=read.labels_missing,
        firings=[FiringLine(one.due_at, one.outcome, one.reason, one.round_id) for one in found],
        inputs=DEFAULTS | trigger_inputs(read),
        may_run=may_approve or row.configuration.get("auto_approve") is None,
        created_by=row.created_by,
    )


@router.post("/campaigns/{campaign_id:int}/schedules")
def add_schedule(
    request: Request, campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> Response:
    def change() -> Response:
        wanted = parse_document(ScheduleCreate, create_document(form))
        if wanted.configuration.auto_approve is not None:
            principal.require(Scope.APPROVE)
        schedule = schedules.create(session, campaign, wanted, actor=principal.name)
        return flash.redirect(schedules_url(campaign.id), "ok", f"Schedule {schedule.name} is active.")

    return changed_or_refused(
        request,
        session,
        change,
        lambda: schedules_context(request, session, campaign, principal, form=form),
    )
