"""Change, pause, resume, fire and end a schedule from the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from service.admin.attempts import attempt
from service.admin.forms import FormDep, parse_document
from service.admin.pages.schedule_forms import trigger_document
from service.admin.pages.schedules import schedules_url
from service.campaigns import service as campaigns
from service.database.models import Schedule
from service.dependencies import GuardedRoute, Principal, PrincipalInfo, SessionDep
from service.schedules import firing
from service.schedules import service as schedules
from service.schedules.schemas import ScheduleUpdate
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute)


@router.post("/schedules/{schedule_id:int}/change")
def change_schedule(
    schedule_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    """Name, trigger and misfire rule; how its rounds go stays as it is."""
    schedule = schedules.get(session, schedule_id)
    _require_for_rules(principal, schedule)

    def change() -> str:
        document: dict[str, Any] = {name: form.get(name, "") for name in ("name", "time_zone", "misfire")}
        wanted = parse_document(ScheduleUpdate, document | {"trigger": trigger_document(form)})
        campaign = campaigns.get(session, schedule.campaign_id)
        locked = schedules.changeable(session, schedule_id)
        schedules.update(session, campaign, locked, wanted, actor=principal.name)
        return f"Schedule {schedule.name} is changed."

    return attempt(session, schedules_url(schedule.campaign_id), change)


@router.post("/schedules/{schedule_id:int}/pause")
def pause_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    return _turned(session, schedule_id, principal, schedules.pause, "is paused.")


@router.post("/schedules/{schedule_id:int}/resume")
def resume_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    _require_for_rules(principal, schedules.get(session, schedule_id))
    return _turned(session, schedule_id, principal, schedules.resume, "is active again.")


@router.post("/schedules/{schedule_id:int}/fire")
def fire_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    _require_for_rules(principal, schedules.get(session, schedule_id))
    return _turned(session, schedule_id, principal, firing.fire_now, "has started a round.")


@router.post("/schedules/{schedule_id:int}/end")
def end_schedule(schedule_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    return _turned(session, schedule_id, principal, schedules.delete, "has ended.")


def _turned(
    session: SessionDep, schedule_id: int, principal: PrincipalInfo, turn: Callable[..., object], what: str
) -> RedirectResponse:
    schedule = schedules.get(session, schedule_id)
    campaign_id, name = schedule.campaign_id, schedule.name

    def change() -> str:
        turn(session, schedule_id, actor=principal.name)
        return f"Schedule {name} {what}"

    return attempt(session, schedules_url(campaign_id), change)


def _require_for_rules(principal: PrincipalInfo, schedule: Schedule) -> None:
    """A round that approves by itself commits money."""
    if schedule.configuration.get("auto_approve") is not None:
        principal.require(Scope.APPROVE)
