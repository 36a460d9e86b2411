"""Changes that the pages ask for: each POST ends in a redirect with a message.

Each form carries the token of its session (`service.csrf`) without a line of its own: `templates_env` adds the hidden
field to every `<form method="post">`. `refuse_cross_site` is the second wall: browsers send Sec-Fetch-Site with every
request over HTTPS or on the loopback and Origin with every POST anywhere, and no page can forge either.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionRequest
from service.admin.attempts import attempt
from service.admin.forms import FormDep, parse
from service.admin.pages.runs import runs_url
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep
from service.valuations import service as valuations
from service.valuations.schemas import ValuationRequest

router = APIRouter(route_class=GuardedRoute)


@router.post("/campaigns/{campaign_id:int}/valuation-runs")
def request_valuation_run(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    def change() -> str:
        request = parse(ValuationRequest, form)
        run = valuations.request_run(session, campaign, request, actor=principal.name)
        return f"Valuation {run.id} is queued."

    return attempt(session, runs_url(campaign.id), change)


@router.post("/campaigns/{campaign_id:int}/acquisition-rounds")
def request_acquisition_round(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    def change() -> str:
        request = parse(AcquisitionRequest, form)
        round_ = acquisitions.request_round(session, campaign, request, actor=principal.name)
        return f"Round {round_.id} is queued."

    return attempt(session, runs_url(campaign.id), change)


@router.post("/valuation-runs/{run_id:int}/cancel")
def cancel_valuation_run(run_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    run = valuations.get(session, run_id)

    def change() -> str:
        valuations.cancel(session, run.id, actor=principal.name)
        return f"Valuation {run.id} is being cancelled."

    return attempt(session, runs_url(run.campaign_id), change)


@router.post("/acquisition-rounds/{round_id:int}/cancel")
def cancel_acquisition_round(round_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    round_ = acquisitions.get_round(session, round_id)

    def change() -> str:
        acquisitions.cancel_round(session, round_.id, actor=principal.name)
        return f"Round {round_.id} is being cancelled."

    return attempt(session, runs_url(round_.campaign_id), change)
