"""REST: designs that people inject into the next round."""

from __future__ import annotations

from fastapi import status

from service.dependencies import CampaignDep, PageDep, Principal, SessionDep
from service.injections import service
from service.injections.schemas import InjectionCreate, InjectionRead
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(tags=["injections"])


@router.post(
    "/campaigns/{campaign_id}/injections", status_code=status.HTTP_201_CREATED, responses=responses(404, 422)
)
def create_injections(
    request: InjectionCreate, campaign: CampaignDep, session: SessionDep, principal: Principal
) -> list[InjectionRead]:
    """Inject candidates into the next round, all or none; an earlier injection of one is withdrawn."""
    return [
        InjectionRead.model_validate(injection)
        for injection in service.make(session, campaign, request, actor=principal.name)
    ]


@router.get("/campaigns/{campaign_id}/injections", responses=responses(400, 404))
def list_injections(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[InjectionRead]:
    """Every injection of a campaign, withdrawn ones included, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [InjectionRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.post("/injections/{injection_id}:withdraw", responses=responses(404, 409))
def withdraw_injection(injection_id: int, session: SessionDep, principal: Principal) -> InjectionRead:
    """Let the rounds to come choose freely again."""
    injection = service.withdraw(session, injection_id, actor=principal.name)
    session.flush()
    return InjectionRead.model_validate(injection)
