"""REST: imports out of public databases."""

from __future__ import annotations

from fastapi import Response, status

from service.dependencies import CampaignDep, PageDep, Principal, SessionDep
from service.imports import service
from service.imports.schemas import ImportRead, ImportRequest
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.runs import service as runs
from service.runs.schemas import AttemptRead

router = NounRouter(tags=["imports"])
# Seconds after which a client may usefully ask again.
RETRY_AFTER_S = 2


@router.post(
    "/campaigns/{campaign_id}/imports",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409, 422),
)
def request_import(
    request: ImportRequest,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> ImportRead:
    """Fetch tests of a public database and make samples of them; follow it at `Location`."""
    run = service.request_run(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/imports/{run.id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return ImportRead.model_validate(run)


@router.get("/campaigns/{campaign_id}/imports", responses=responses(400, 404))
def list_imports(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[ImportRead]:
    """Imports of a campaign, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [ImportRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/imports/{run_id}", responses=responses(404))
def read_import(run_id: int, session: SessionDep, response: Response) -> ImportRead:
    """Progress, estimate and what became of each test so far."""
    run = ImportRead.model_validate(service.get(session, run_id))
    if not run.status.is_terminal:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return run


@router.get("/imports/{run_id}/attempts", responses=responses(404))
def list_import_attempts(run_id: int, session: SessionDep) -> list[AttemptRead]:
    """How each attempt at the run ended, oldest first: also those whose worker was lost."""
    return [AttemptRead.model_validate(line) for line in runs.history(session, service.get(session, run_id))]


@router.post("/imports/{run_id}:cancel", responses=responses(404, 409))
def cancel_import(run_id: int, session: SessionDep, principal: Principal) -> ImportRead:
    """Stop an import; what it has fetched stays, and the same range may be asked for again."""
    return ImportRead.model_validate(service.cancel(session, run_id, actor=principal.name))
