"""REST: rounds of a campaign."""

from __future__ import annotations

from fastapi import Response, status

from service.dependencies import CampaignDep, PageDep, Principal, SessionDep, requires
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.rounds import service
from service.rounds.schemas import RoundConfiguration, RoundRead
from service.routing import NounRouter
from service.vocabulary import Scope

router = NounRouter(tags=["rounds"])


@router.post(
    "/campaigns/{campaign_id}/rounds",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409, 422),
)
def start_round(
    configuration: RoundConfiguration,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> RoundRead:
    """Value, rank, propose, decide, order and collect in one go; follow it at `Location`. One at a time.

    Rules that approve by themselves need the scope `approve`.
    """
    if configuration.auto_approve is not None:
        principal.require(Scope.APPROVE)
    round_ = service.start(session, campaign, configuration, actor=principal.name)
    response.headers["Location"] = f"/api/v1/rounds/{round_.id}"
    return service.read(session, round_)


@router.get("/campaigns/{campaign_id}/rounds", responses=responses(400, 404))
def list_rounds(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[RoundRead]:
    """Rounds of a campaign, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = service.read_all(session, rows)
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/rounds/{round_id}", responses=responses(404))
def read_round(round_id: int, session: SessionDep) -> RoundRead:
    """Step, deadlines, runs and counts of one round."""
    return service.read(session, service.get(session, round_id))


@router.post("/rounds/{round_id}:cancel", responses=responses(404, 409))
@requires(Scope.APPROVE)
def cancel_round(round_id: int, session: SessionDep, principal: Principal) -> RoundRead:
    """Stop a round: its computation ends, its proposals expire, what is approved stays approved."""
    return service.read(session, service.cancel(session, round_id, actor=principal.name))


@router.post("/rounds/{round_id}:close", responses=responses(404, 409))
@requires(Scope.APPROVE)
def close_round(round_id: int, session: SessionDep, principal: Principal) -> RoundRead:
    """Wait no longer for decisions and results; what comes later is accepted all the same."""
    return service.read(session, service.close(session, round_id, actor=principal.name))
