"""Start and cancel a backtest from the pages."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from service.admin.attempts import attempt
from service.admin.forms import FormDep, ListsDep, parse
from service.backtests import service as backtests
from service.backtests.schemas import BacktestRequest
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep

router = APIRouter(route_class=GuardedRoute)


@router.post("/campaigns/{campaign_id:int}/backtests")
def request_backtest(
    campaign: CampaignDep, form: FormDep, lists: ListsDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    def change() -> str:
        request = parse(BacktestRequest, form | {"strategies": lists.get("strategies", [])})
        backtest = backtests.request_backtest(session, campaign, request, actor=principal.name)
        return f"Backtest {backtest.id} is queued."

    return attempt(session, f"/campaigns/{campaign.id}/backtests", change)


@router.post("/backtests/{backtest_id:int}/cancel")
def cancel_backtest(backtest_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    backtest = backtests.get(session, backtest_id)

    def change() -> str:
        backtests.cancel(session, backtest.id, actor=principal.name)
        return f"Backtest {backtest.id} is being cancelled."

    return attempt(session, f"/campaigns/{backtest.campaign_id}/backtests/{backtest.id}", change)
