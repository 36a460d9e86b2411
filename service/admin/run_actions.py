"""Cancel replays and simulations, and ask for a run again with the same settings and seed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from service.acquisitions import service as acquisitions
from service.acquisitions import simulations
from service.acquisitions.schemas import AcquisitionRequest
from service.admin.attempts import attempt
from service.admin.forms import parse_document
from service.admin.pages.runs import runs_url
from service.backtests import service as backtests
from service.backtests.schemas import BacktestRequest
from service.campaigns import service as campaigns
from service.dependencies import GuardedRoute, Principal, SessionDep
from service.replays import service as replays
from service.runs.service import AnyRun
from service.valuations import service as valuations
from service.valuations.schemas import ValuationRequest

router = APIRouter(route_class=GuardedRoute)


def _again(run: AnyRun) -> dict[str, Any]:
    """What was asked for: the same seed on the same data gives the same result."""
    return {"configuration": run.configuration, "seed": run.seed}


@router.post("/replays/{replay_id:int}/cancel")
def cancel_replay(replay_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    replay = replays.get(session, replay_id)

    def change() -> str:
        replays.cancel(session, replay.id, actor=principal.name)
        return f"Replay {replay.id} is being cancelled."

    return attempt(session, runs_url(replay.campaign_id), change)


@router.post("/simulation-runs/{run_id:int}/cancel")
def cancel_simulation_run(run_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    run = simulations.get(session, run_id)

    def change() -> str:
        simulations.cancel(session, run.id, actor=principal.name)
        return (
            f"Simulation {run.id} is being cancelled, and recommendation {run.recommendation_id} has failed."
        )

    return attempt(session, f"/simulation-runs/{run.id}", change)


@router.post("/valuation-runs/{run_id:int}/retry")
def retry_valuation_run(run_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    run = valuations.get(session, run_id)

    def change() -> str:
        campaign = campaigns.get(session, run.campaign_id)
        wanted = parse_document(ValuationRequest, _again(run))
        made = valuations.request_run(session, campaign, wanted, actor=principal.name)
        return f"Valuation {made.id} is queued, with the settings of {run.id}."

    return attempt(session, runs_url(run.campaign_id), change)


@router.post("/acquisition-rounds/{round_id:int}/retry")
def retry_acquisition_round(round_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    round_ = acquisitions.get_round(session, round_id)

    def change() -> str:
        campaign = campaigns.get(session, round_.campaign_id)
        wanted = parse_document(AcquisitionRequest, _again(round_) | {"dry_run": round_.dry_run})
        made = acquisitions.request_round(session, campaign, wanted, actor=principal.name)
        return f"Round {made.id} is queued, with the settings of {round_.id}."

    return attempt(session, runs_url(round_.campaign_id), change)


@router.post("/backtests/{backtest_id:int}/retry")
def retry_backtest(backtest_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    backtest = backtests.get(session, backtest_id)

    def change() -> str:
        campaign = campaigns.get(session, backtest.campaign_id)
        wanted = parse_document(BacktestRequest, _again(backtest))
        made = backtests.request_backtest(session, campaign, wanted, actor=principal.name)
        return f"Backtest {made.id} is queued, with the settings of {backtest.id}."

    return attempt(session, runs_url(backtest.campaign_id), change)
