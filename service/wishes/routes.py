"""REST: designs that people inject into the next round, or veto."""

from __future__ import annotations

from fastapi import APIRouter, status

from service.dependencies import CampaignDep, GuardedRoute, PageDep, Principal, SessionDep
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.wishes import service
from service.wishes.schemas import WishCreate, WishRead

router = APIRouter(tags=["wishes"], route_class=GuardedRoute)


@router.post(
    "/campaigns/{campaign_id}/wishes", status_code=status.HTTP_201_CREATED, responses=responses(404, 422)
)
def make_wishes(
    request: WishCreate, campaign: CampaignDep, session: SessionDep, principal: Principal
) -> list[WishRead]:
    """Inject candidates into the next round, or veto them in all; an earlier wish for one is withdrawn."""
    return [
        WishRead.model_validate(wish)
        for wish in service.make(session, campaign, request, actor=principal.name)
    ]


@router.get("/campaigns/{campaign_id}/wishes", responses=responses(400, 404))
def list_wishes(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[WishRead]:
    """Every wish of a campaign, withdrawn ones included, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [WishRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.post("/wishes/{wish_id}:withdraw", responses=responses(404, 409))
def withdraw_wish(wish_id: int, session: SessionDep, principal: Principal) -> WishRead:
    """Let the rounds to come choose freely again."""
    wish = service.withdraw(session, wish_id, actor=principal.name)
    session.flush()
    return WishRead.model_validate(wish)
