"""Changes that the pages ask for: each POST ends in a redirect with a message.

Each form carries the token of its session (`service.csrf`) without a line of its own: `templates_env` adds the hidden
field to every `<form method="post">`. `refuse_cross_site` is the second wall: browsers send Sec-Fetch-Site with every
request over HTTPS or on the loopback and Origin with every POST anywhere, and no page can forge either.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionRequest, Rejection
from service.admin.attempts import attempt
from service.admin.formats import money
from service.admin.forms import FormDep, parse
from service.admin.pages.recommendations import recommendations_url
from service.admin.pages.value_lines import sample_name
from service.campaigns import service as campaigns
from service.database.models import Recommendation
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, requires
from service.errors import InputError
from service.lifecycles import RecommendationStatus
from service.valuations import service as valuations
from service.valuations.schemas import ValuationRequest
from service.vocabulary import Scope

router = APIRouter(route_class=GuardedRoute)
LONGEST_PAGE_NUMBER = 9


@router.post("/recommendations/{recommendation_id:int}/approve")
@requires(Scope.APPROVE)
def approve(
    recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    row = acquisitions.get_recommendation(session, recommendation_id)

    def change() -> str:
        acquisitions.change(session, row.id, RecommendationStatus.APPROVED, actor=principal.name)
        left = campaigns.remaining_budget(session, campaigns.get(session, row.campaign_id))
        rest = "" if left is None else f", {money(left, row.currency)} of the budget left"
        return f"Approved {sample_name(row.sample)}: {money(row.acquisition_cost, row.currency)} committed{rest}."

    return attempt(session, _row_url(row, form), change)


@router.post("/recommendations/{recommendation_id:int}/reject")
@requires(Scope.APPROVE)
def reject(
    recommendation_id: int, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    row = acquisitions.get_recommendation(session, recommendation_id)

    def change() -> str:
        rejected, reason = RecommendationStatus.REJECTED, _reason(form)
        acquisitions.change(session, row.id, rejected, actor=principal.name, reason=reason)
        return f"Rejected {sample_name(row.sample)}; a later round may propose it again."

    return attempt(session, _row_url(row, form), change)


@router.post("/campaigns/{campaign_id:int}/valuation-runs")
def request_valuation_run(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    def change() -> str:
        request = parse(ValuationRequest, form)
        run = valuations.request_run(session, campaign, request, actor=principal.name)
        return f"Valuation {run.id} is queued."

    return attempt(session, _runs_url(campaign.id), change)


@router.post("/campaigns/{campaign_id:int}/acquisition-rounds")
def request_acquisition_round(
    campaign: CampaignDep, form: FormDep, session: SessionDep, principal: Principal
) -> RedirectResponse:
    def change() -> str:
        request = parse(AcquisitionRequest, form)
        round_ = acquisitions.request_round(session, campaign, request, actor=principal.name)
        return f"Round {round_.id} is queued."

    return attempt(session, _runs_url(campaign.id), change)


@router.post("/valuation-runs/{run_id:int}/cancel")
def cancel_valuation_run(run_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    run = valuations.get(session, run_id)

    def change() -> str:
        valuations.cancel(session, run.id, actor=principal.name)
        return f"Valuation {run.id} is being cancelled."

    return attempt(session, _runs_url(run.campaign_id), change)


@router.post("/acquisition-rounds/{round_id:int}/cancel")
def cancel_acquisition_round(round_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    round_ = acquisitions.get_round(session, round_id)

    def change() -> str:
        acquisitions.cancel_round(session, round_.id, actor=principal.name)
        return f"Round {round_.id} is being cancelled."

    return attempt(session, _runs_url(round_.campaign_id), change)


def _reason(form: Mapping[str, str]) -> str:
    try:
        return Rejection.model_validate({"reason": form.get("reason", "")}).reason
    except ValidationError as error:
        message = "Nothing was rejected: give a reason, of 2,000 characters at most."
        raise InputError(message, hint="It is kept in the history.") from error


def _runs_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/runs"


def _row_url(row: Recommendation, form: Mapping[str, str]) -> str:
    """Back to the same filter, page and row."""
    status, number = form.get("status", ""), form.get("page", "1")
    known = status if status in set(RecommendationStatus) else ""
    is_page = number.isdecimal() and len(number) < LONGEST_PAGE_NUMBER
    url = recommendations_url(row.campaign_id, known, int(number) if is_page else 1)
    return f"{url}#recommendation-{row.id}"
