"""`/campaigns/{id}/runs/attempts`: how each attempt at a run ended, for the line of the run when it is opened."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.admin.contexts.runs import AttemptsContext
from service.admin.pages.run_kinds import KINDS, name_of
from service.admin.rendering import fragment
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.errors import NotFoundError
from service.runs import service as all_runs
from service.runs.schemas import AttemptRead
from service.runs.service import AnyRun

router = APIRouter(route_class=GuardedRoute)
_KIND_OF = {collection: kind for kind, (_, collection) in KINDS.items()}


def attempts_url(run: AnyRun) -> str | None:
    """Where the history of a run is; None before a worker has taken it."""
    query = f"kind={KINDS[type(run)][1]}&run_id={run.id}"
    return f"/campaigns/{run.campaign_id}/runs/attempts?{query}" if run.attempt else None


@router.get("/campaigns/{campaign_id:int}/runs/attempts")
def show_attempts(campaign: CampaignDep, session: SessionDep, kind: str, run_id: int) -> HTMLResponse:
    run = all_runs.find(session, _KIND_OF[kind], campaign.id, run_id) if kind in _KIND_OF else None
    if run is None:
        raise NotFoundError(f"Campaign {campaign.id} has no such run.")
    attempts = [AttemptRead.model_validate(line) for line in all_runs.history(session, run)]
    return fragment(AttemptsContext(name=name_of(run), attempts=attempts))
