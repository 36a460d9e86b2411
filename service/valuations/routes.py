"""REST: valuation runs, data values, surrogates."""

from __future__ import annotations

from enum import StrEnum

from fastapi import APIRouter, Response, status

from service.dependencies import CampaignDep, GuardedRoute, PageDep, Principal, SessionDep
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.runs import service as runs
from service.runs.schemas import AttemptRead
from service.valuations import service
from service.valuations.schemas import DataValueRead, SurrogateRead, ValuationRequest, ValuationRunRead

router = APIRouter(tags=["valuation runs"], route_class=GuardedRoute)
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
def list_valuation_runs(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[ValuationRunRead]:
    """Valuation runs of a campaign, oldest first."""
    rows, more = service.page(session, campaign, page)
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
