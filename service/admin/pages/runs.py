"""`/campaigns/{id}/runs`: what the workers do, live, and the forms that give them work."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest
from service.admin.contexts.runs import RunsContext, RunsLiveContext
from service.admin.forms import Input, fields_of
from service.admin.pages.run_lines import AnyRun, run_line
from service.admin.rendering import fragment, frame, page
from service.database.models import Campaign
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.valuations import service as valuations
from service.valuations.schemas import ValuationConfiguration, ValuationRequest

router = APIRouter(route_class=GuardedRoute)
SHOWN = 20
SEED = Input("seed", "Seed", "same seed and data: same result")


@router.get("/campaigns/{campaign_id:int}/runs")
def show_runs(request: Request, campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    context = RunsContext(
        **_live(session, campaign),
        frame=frame(request, "Runs", section="runs", campaign=campaign),
        valuation_fields=[
            *fields_of(ValuationConfiguration, VALUATION_INPUTS),
            *fields_of(ValuationRequest, [SEED]),
        ],
        round_fields=[
            *fields_of(AcquisitionConfiguration, _round_inputs(campaign)),
            *fields_of(AcquisitionRequest, [SEED]),
        ],
        has_surrogate=valuations.newest_surrogate(session, campaign) is not None,
    )
    return page(request, context)


@router.get("/campaigns/{campaign_id:int}/runs/live")
def show_live_runs(campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    return fragment(RunsLiveContext(**_live(session, campaign)))


def _live(session: SessionDep, campaign: Campaign) -> dict[str, Any]:
    runs = valuations.newest(session, campaign, limit=SHOWN)
    rounds = acquisitions.newest_rounds(session, campaign, limit=SHOWN, dry_runs=True)
    everything: list[AnyRun] = [*runs, *rounds]
    return {
        "live_url": f"/campaigns/{campaign.id}/runs/live",
        "is_active": any(not run.status.is_terminal for run in everything),
        "valuation_runs": [run_line(run, campaign) for run in runs],
        "rounds": [run_line(round_, campaign) for round_ in rounds],
        "shown": SHOWN,
    }


VALUATION_INPUTS = [
    Input("mode", "Mode", "normalized: stabler; published: as in the paper"),
    Input("ensemble", "Ensemble", "networks trained in one pass"),
    Input("epochs", "Epochs", "empty: the method's default"),
]


def _round_inputs(campaign: Campaign) -> list[Input]:
    return [
        Input("strategy", "Strategy", "how candidates are chosen"),
        Input("batch_size", "Batch size", "most recommendations"),
        Input("budget", f"Budget ({campaign.currency})", "empty: all that is left"),
        Input("cost_exponent", "Weight of cost", "0: gain only, 1: gain per money"),
        Input("control_fraction", "Control share", "drawn at random, to compare with"),
    ]
