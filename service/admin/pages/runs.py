"""`/campaigns/{id}/runs`: what the workers do, live, and the forms that give them work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest
from service.admin.contexts.runs import RunsContext, RunsLiveContext
from service.admin.contexts.shared import RunLine
from service.admin.forms import Input, fields_of
from service.admin.pages.line_of_run import line_of
from service.admin.pages.other_runs import OtherRun
from service.admin.rendering import fragment, frame, page
from service.database.models import (
    Backtest,
    Campaign,
    ImportRun,
    Replay,
    SimulationRun,
)
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.queue.messages import Queue
from service.runs import service as all_runs
from service.runs.service import AnyRun
from service.valuations import promotions
from service.valuations import service as valuations
from service.valuations.schemas import ValuationConfiguration, ValuationRequest

router = APIRouter(route_class=GuardedRoute)
SHOWN = 20
SEED = Input("seed", "Seed", "same seed and data: same result")


def runs_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/runs"


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
        has_surrogate=promotions.serving_surrogate(session, campaign) is not None,
    )
    return page(request, context)


@router.get("/campaigns/{campaign_id:int}/runs/live")
def show_live_runs(campaign: CampaignDep, session: SessionDep) -> HTMLResponse:
    return fragment(RunsLiveContext(**_live(session, campaign)))


def _live(session: SessionDep, campaign: Campaign) -> dict[str, Any]:
    runs = valuations.newest(session, campaign, limit=SHOWN)
    rounds = acquisitions.newest_rounds(session, campaign, limit=SHOWN, dry_runs=True)
    others = _others(session, campaign)
    everything = [*runs, *rounds, *others]
    places = all_runs.queue_places(session)
    return {
        "live_url": f"/campaigns/{campaign.id}/runs/live",
        "is_active": any(not run.status.is_terminal for run in everything),
        "valuation_runs": [_placed(run, campaign, places) for run in runs],
        "rounds": [_placed(round_, campaign, places) for round_ in rounds],
        "others": [_placed(run, campaign, places) for run in others],
        "shown": SHOWN,
    }


def _others(session: SessionDep, campaign: Campaign) -> list[OtherRun]:
    """The newest of each kind, all together the newest first."""
    found: list[OtherRun] = []
    for kind in (Backtest, Replay, SimulationRun, ImportRun):
        found += all_runs.newest(session, kind, campaign.id, limit=SHOWN)
    return sorted(found, key=lambda run: run.created_at, reverse=True)


def _placed(
    run: AnyRun, campaign: Campaign, places: Mapping[tuple[type[AnyRun], int], tuple[Queue, int]]
) -> RunLine:
    """The line, of a waiting run with its place in the queue."""
    line, found = line_of(run, campaign), places.get((type(run), run.id))
    place = "" if found is None else f", place {found[1]} in queue {found[0]}"
    return replace(line, message=line.message + place)


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
