"""REST: valuation runs, data values, surrogates."""

from __future__ import annotations

from enum import StrEnum

from fastapi import Response, status

from service.campaigns import service as campaigns
from service.dependencies import CampaignDep, PageDep, Principal, SessionDep, requires
from service.errors import NotFoundError
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.runs import service as runs
from service.runs.schemas import AttemptRead
from service.valuations import promotions, service
from service.valuations.schemas import (
    AssessmentRead,
    DataValueRead,
    GateRead,
    PromotionRead,
    PromotionRequest,
    SurrogateRead,
    ValuationRequest,
    ValuationRunRead,
)
from service.vocabulary import Scope

router = NounRouter(tags=["valuation runs"])
# Seconds after which a client may usefully ask again.
RETRY_AFTER_S = 2


class Order(StrEnum):
    MOST_VALUABLE = "most_valuable"
    LEAST_VALUABLE = "least_valuable"


@router.post(
    "/campaigns/{campaign_id}/valuation-runs",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409, 422),
)
def request_valuation_run(
    request: ValuationRequest,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> ValuationRunRead:
    """Value all labelled samples and train a surrogate; follow it at `Location`."""
    run = service.request_run(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/valuation-runs/{run.id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return ValuationRunRead.model_validate(run)


@router.get("/campaigns/{campaign_id}/valuation-runs", responses=responses(400, 404))
def list_valuation_runs(campaign_id: int, session: SessionDep, page: PageDep) -> Page[ValuationRunRead]:
    """Valuation runs of a campaign, oldest first."""
    rows, more = service.page(session, campaign_id, page)
    items = [ValuationRunRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/valuation-runs/{run_id}", responses=responses(404))
def read_valuation_run(run_id: int, session: SessionDep, response: Response) -> ValuationRunRead:
    """Status, progress, metrics or error of one run."""
    run = ValuationRunRead.model_validate(service.get(session, run_id))
    if not run.status.is_terminal:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return run


@router.get("/valuation-runs/{run_id}/attempts", responses=responses(404))
def list_valuation_run_attempts(run_id: int, session: SessionDep) -> list[AttemptRead]:
    """How each attempt at the run ended, oldest first: also those whose worker was lost."""
    return [AttemptRead.model_validate(line) for line in runs.history(session, service.get(session, run_id))]


@router.post("/valuation-runs/{run_id}:cancel", responses=responses(404, 409))
def cancel_valuation_run(run_id: int, session: SessionDep, principal: Principal) -> ValuationRunRead:
    """Stop a run: at once while it waits, within seconds while it trains."""
    return ValuationRunRead.model_validate(service.cancel(session, run_id, actor=principal.name))


@router.get("/valuation-runs/{run_id}/data-values", responses=responses(400, 404))
def list_data_values(
    run_id: int, session: SessionDep, page: PageDep, order: Order = Order.MOST_VALUABLE
) -> Page[DataValueRead]:
    """Data values of a run by rank."""
    run = service.get(session, run_id)
    rows, more = service.values_page(session, run, page, lowest_first=order is Order.LEAST_VALUABLE)
    items = [service.read_value(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(page.after + len(items)) if more else None)


@router.get("/campaigns/{campaign_id}/surrogates", responses=responses(400, 404))
def list_surrogates(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[SurrogateRead]:
    """Surrogates of a campaign, oldest first."""
    rows, more = service.surrogates_page(session, campaign, page)
    items = [SurrogateRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/surrogates/{surrogate_id}", responses=responses(404))
def read_surrogate(surrogate_id: int, session: SessionDep) -> SurrogateRead:
    """One surrogate's metrics and hash."""
    return SurrogateRead.model_validate(service.get_surrogate(session, surrogate_id))


@router.get(
    "/surrogates/{surrogate_id}/artefact",
    response_class=Response,
    responses={**responses(404), 200: {"content": {"application/octet-stream": {}}}},
)
def download_surrogate(surrogate_id: int, session: SessionDep) -> Response:
    """The safetensors file: weights, scaling and feature schema."""
    surrogate = service.get_surrogate(session, surrogate_id, with_artefact=True)
    name = f"surrogate-{surrogate.id}.safetensors"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(surrogate.artefact, media_type="application/octet-stream", headers=headers)


@router.get("/surrogates/{surrogate_id}/assessment", responses=responses(404))
def read_assessment(surrogate_id: int, session: SessionDep) -> AssessmentRead:
    """Predictions beside labels, residuals by load case and coverage of the intervals of one surrogate."""
    surrogate = service.get_surrogate(session, surrogate_id)
    return AssessmentRead(surrogate_id=surrogate.id, assessment=surrogate.assessment)


@router.get("/campaigns/{campaign_id}/serving-surrogate", responses=responses(404))
def read_serving_surrogate(campaign: CampaignDep, session: SessionDep) -> SurrogateRead:
    """The surrogate that predicts and ranks: the one promoted last, without any promotion the newest one."""
    surrogate = promotions.serving_surrogate(session, campaign)
    if surrogate is None:
        raise NotFoundError("The campaign has no surrogate yet.", hint="Request a valuation run.")
    return SurrogateRead.model_validate(surrogate)


@router.get("/campaigns/{campaign_id}/surrogate-promotions", responses=responses(400, 404))
def list_surrogate_promotions(
    campaign: CampaignDep, session: SessionDep, page: PageDep
) -> Page[PromotionRead]:
    """Which surrogate served since when, and why it might, oldest first."""
    rows, more = promotions.page(session, campaign, page)
    items = [PromotionRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/valuation-runs/{run_id}/promotion-gate", responses=responses(404, 409))
def read_promotion_gate(run_id: int, session: SessionDep) -> GateRead:
    """What the gate says about the surrogate of a run; 409 when it serves already."""
    surrogate = promotions.surrogate_of_run(session, service.get(session, run_id).id)
    campaign = campaigns.get(session, surrogate.campaign_id)
    return promotions.read_gate(promotions.judge(session, campaign, surrogate), campaign.target["unit"])


@router.post("/valuation-runs/{run_id}:promote", responses=responses(404, 409, 422))
@requires(Scope.APPROVE)
def promote_valuation_run(
    run_id: int, session: SessionDep, principal: Principal, request: PromotionRequest | None = None
) -> PromotionRead:
    """Let the surrogate of a run serve; 409 when the gate holds it back and the request does not override it."""
    surrogate = promotions.surrogate_of_run(session, service.get(session, run_id).id)
    campaign = campaigns.get(session, surrogate.campaign_id)
    wanted = request or PromotionRequest()
    row = promotions.promote(session, campaign, surrogate, wanted, actor=principal.name)
    return PromotionRead.model_validate(row)
