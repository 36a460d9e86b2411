"""REST: backtests."""

from __future__ import annotations

from fastapi import Response, status

from service.backtests import service
from service.backtests.schemas import BacktestRead, BacktestRequest
from service.dependencies import CampaignDep, PageDep, Principal, SessionDep
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(tags=["backtests"])
# A backtest takes minutes.
RETRY_AFTER_S = 5


@router.post(
    "/campaigns/{campaign_id}/backtests",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409, 422),
)
def request_backtest(
    request: BacktestRequest,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> BacktestRead:
    """Replay strategies on the labelled samples: would the advice have beaten random picks?"""
    backtest = service.request_backtest(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/backtests/{backtest.id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return service.read(backtest)


@router.get("/campaigns/{campaign_id}/backtests", responses=responses(400, 404))
def list_backtests(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[BacktestRead]:
    """Backtests of a campaign, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [service.read(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/backtests/{backtest_id}", responses=responses(404))
def read_backtest(backtest_id: int, session: SessionDep, response: Response) -> BacktestRead:
    """Status, progress and report of one backtest."""
    backtest = service.read(service.get(session, backtest_id))
    if not backtest.status.is_terminal:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return backtest


@router.post("/backtests/{backtest_id}:cancel", responses=responses(404, 409))
def cancel_backtest(backtest_id: int, session: SessionDep, principal: Principal) -> BacktestRead:
    """Stop a backtest: at once while it waits, within seconds while it runs."""
    return service.read(service.cancel(session, backtest_id, actor=principal.name))
