"""REST: schedules of a campaign and their firings."""

from __future__ import annotations

from typing import Any

from fastapi import Response, status

from service.campaigns import service as campaigns
from service.dependencies import CampaignDep, PageDep, Principal, SessionDep
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.schedules import firing, service
from service.schedules.schemas import FiringRead, ScheduleCreate, ScheduleRead, ScheduleUpdate
from service.vocabulary import Scope

router = NounRouter(tags=["schedules"])


@router.post(
    "/campaigns/{campaign_id}/schedules",
    status_code=status.HTTP_201_CREATED,
    responses=responses(404, 422),
)
def create_schedule(
    request: ScheduleCreate,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> ScheduleRead:
    """Let rounds start by themselves: at clock times, at intervals, at a date, or after new labels.

    Rules that approve by themselves need the scope `approve`: here, and to change, resume or fire such a schedule.
    """
    _require_for_rules(principal, request.configuration.model_dump())
    schedule = service.create(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/schedules/{schedule.id}"
    return service.read(session, schedule)


@router.get("/campaigns/{campaign_id}/schedules", responses=responses(400, 404))
def list_schedules(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[ScheduleRead]:
    """Schedules of a campaign with their next five runs, oldest first, ended ones included."""
    rows, more = service.page(session, campaign, page)
    items = [service.read(session, row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/schedules/{schedule_id}", responses=responses(404))
def read_schedule(schedule_id: int, session: SessionDep) -> ScheduleRead:
    """One schedule with its next five runs."""
    return service.read(session, service.get(session, schedule_id))


@router.patch("/schedules/{schedule_id}", responses=responses(404, 409, 422))
def update_schedule(
    schedule_id: int, request: ScheduleUpdate, session: SessionDep, principal: Principal
) -> ScheduleRead:
    """Change what is given; rounds that are open keep the configuration that they started with."""
    schedule = service.changeable(session, schedule_id)
    _require_for_rules(principal, schedule.configuration)
    if request.configuration is not None:
        _require_for_rules(principal, request.configuration.model_dump())
    campaign = campaigns.get(session, schedule.campaign_id)
    service.update(session, campaign, schedule, request, actor=principal.name)
    return service.read(session, schedule)


@router.delete(
    "/schedules/{schedule_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(404, 409)
)
def delete_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> None:
    """End a schedule for good; it and its firings stay readable."""
    service.delete(session, schedule_id, actor=principal.name)


@router.post("/schedules/{schedule_id}:pause", responses=responses(404, 409))
def pause_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> ScheduleRead:
    """Be due no more until it is resumed."""
    return service.read(session, service.pause(session, schedule_id, actor=principal.name))


@router.post("/schedules/{schedule_id}:resume", responses=responses(404, 409))
def resume_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> ScheduleRead:
    """Be due again from now on; what lay in the pause is not caught up."""
    _require_for_rules(principal, service.get(session, schedule_id).configuration)
    return service.read(session, service.resume(session, schedule_id, actor=principal.name))


@router.post("/schedules/{schedule_id}:fire", status_code=201, responses=responses(404, 409, 422))
def fire_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> FiringRead:
    """Start its round now, beside its due times."""
    _require_for_rules(principal, service.get(session, schedule_id).configuration)
    return FiringRead.model_validate(firing.fire_now(session, schedule_id, actor=principal.name))


@router.get("/schedules/{schedule_id}/firings", responses=responses(400, 404))
def list_schedule_firings(schedule_id: int, session: SessionDep, page: PageDep) -> Page[FiringRead]:
    """Due times that were kept or left out, with the reason, oldest first."""
    rows, more = service.firings_page(session, service.get(session, schedule_id), page)
    items = [FiringRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


def _require_for_rules(principal: Principal, configuration: dict[str, Any]) -> None:
    """A round that approves by itself commits money."""
    if configuration.get("auto_approve") is not None:
        principal.require(Scope.APPROVE)
