"""REST: acquisition rounds and the life of recommendations."""

from __future__ import annotations

from fastapi import Response, status

from service.acquisitions import dry_runs, outcomes, service, simulations
from service.acquisitions.schemas import (
    AcquisitionRequest,
    AcquisitionRoundRead,
    Completion,
    Note,
    PreviewedPickRead,
    RankedCandidateRead,
    RecommendationChangeRead,
    RecommendationDetail,
    RecommendationRead,
    Rejection,
    SimulationRunRead,
)
from service.dependencies import CampaignDep, PageDep, Principal, SessionDep, requires
from service.lifecycles import RecommendationStatus
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.runs import service as runs
from service.runs.schemas import AttemptRead
from service.vocabulary import Scope

router = NounRouter(tags=["acquisition rounds"])
RETRY_AFTER_S = 2


@router.post(
    "/campaigns/{campaign_id}/acquisition-rounds",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409, 422),
)
def request_acquisition_round(
    request: AcquisitionRequest,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> AcquisitionRoundRead:
    """Rank the pool under a budget; follow it at `Location`. A dry run proposes nothing: see its `/preview`."""
    round_ = service.request_round(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/acquisition-rounds/{round_.id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return service.read_round(session, round_)


@router.get("/campaigns/{campaign_id}/acquisition-rounds", responses=responses(400, 404))
def list_acquisition_rounds(
    campaign: CampaignDep, session: SessionDep, page: PageDep
) -> Page[AcquisitionRoundRead]:
    """Rounds of a campaign, oldest first."""
    rows, more = service.rounds_page(session, campaign, page)
    items = service.read_rounds(session, campaign.id, rows)
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/acquisition-rounds/{round_id}", responses=responses(404))
def read_acquisition_round(round_id: int, session: SessionDep, response: Response) -> AcquisitionRoundRead:
    """Status, progress, snapshot and evidence of one round."""
    round_ = service.read_round(session, service.get_round(session, round_id))
    if not round_.status.is_terminal:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return round_


@router.get("/acquisition-rounds/{round_id}/attempts", responses=responses(404))
def list_acquisition_round_attempts(round_id: int, session: SessionDep) -> list[AttemptRead]:
    """How each attempt at the round's computation ended, oldest first: also those whose worker was lost."""
    return [
        AttemptRead.model_validate(line)
        for line in runs.history(session, service.get_round(session, round_id))
    ]


@router.post("/acquisition-rounds/{round_id}:cancel", responses=responses(404, 409))
def cancel_acquisition_round(
    round_id: int, session: SessionDep, principal: Principal
) -> AcquisitionRoundRead:
    """Stop the computation of a round."""
    return service.read_round(session, service.cancel_round(session, round_id, actor=principal.name))


@router.get("/acquisition-rounds/{round_id}/recommendations", responses=responses(400, 404))
def list_round_recommendations(round_id: int, session: SessionDep, page: PageDep) -> Page[RecommendationRead]:
    """The batch of a round, best first."""
    service.get_round(session, round_id)
    return _page(service.recommendations_of_round(session, round_id, page))


@router.get("/acquisition-rounds/{round_id}/preview", responses=responses(400, 404, 409))
def read_dry_run_preview(round_id: int, session: SessionDep, page: PageDep) -> Page[PreviewedPickRead]:
    """The batch that a dry run would propose, in its order."""
    items, more = dry_runs.preview_page(session, round_id, page)
    return Page(items=items, next_cursor=encode_cursor(items[-1].rank) if more else None)


@router.get("/acquisition-rounds/{round_id}/ranking", responses=responses(400, 404))
def list_ranked_candidates(round_id: int, session: SessionDep, page: PageDep) -> Page[RankedCandidateRead]:
    """The ranking of a round, best first, as far as `stored_rows` asked to keep it."""
    items, more = service.ranking_page(session, round_id, page)
    return Page(items=items, next_cursor=encode_cursor(items[-1].rank) if more else None)


@router.get("/campaigns/{campaign_id}/recommendations", responses=responses(400, 404))
def list_recommendations(
    campaign_id: int,
    session: SessionDep,
    page: PageDep,
    status: RecommendationStatus | None = None,
) -> Page[RecommendationRead]:
    """Recommendations of all rounds of a campaign."""
    return _page(service.recommendations_of_campaign(session, campaign_id, page, status=status))


def _page(found: tuple[list[RecommendationRead], bool]) -> Page[RecommendationRead]:
    items, more = found
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


def _detail(session: SessionDep, recommendation_id: int) -> RecommendationDetail:
    row = service.get_recommendation(session, recommendation_id)
    history = [RecommendationChangeRead.model_validate(change) for change in row.history]
    return RecommendationDetail.model_validate({**service.recommendation_fields(row), "history": history})


@router.get("/recommendations/{recommendation_id}", responses=responses(404))
def read_recommendation(recommendation_id: int, session: SessionDep) -> RecommendationDetail:
    """One recommendation with its history."""
    return _detail(session, recommendation_id)


@router.post("/recommendations/{recommendation_id}:approve", responses=responses(404, 409))
@requires(Scope.APPROVE)
def approve_recommendation(
    recommendation_id: int, session: SessionDep, principal: Principal, note: Note | None = None
) -> RecommendationDetail:
    """Say yes: its cost is committed against the budget."""
    return _change(session, recommendation_id, RecommendationStatus.APPROVED, principal, note)


@router.post("/recommendations/{recommendation_id}:reject", responses=responses(404, 409, 422))
@requires(Scope.APPROVE)
def reject_recommendation(
    recommendation_id: int, rejection: Rejection, session: SessionDep, principal: Principal
) -> RecommendationDetail:
    """Say no, with a reason; a later round may propose the design again."""
    note = Note(reason=rejection.reason)
    return _change(session, recommendation_id, RecommendationStatus.REJECTED, principal, note)


@router.post("/recommendations/{recommendation_id}:order", responses=responses(404, 409))
@requires(Scope.APPROVE)
def order_recommendation(
    recommendation_id: int, session: SessionDep, principal: Principal, note: Note | None = None
) -> RecommendationDetail:
    """It has been ordered at its source."""
    return _change(session, recommendation_id, RecommendationStatus.ORDERED, principal, note)


@router.post("/recommendations/{recommendation_id}:start", responses=responses(404, 409))
def start_recommendation(
    recommendation_id: int, session: SessionDep, principal: Principal, note: Note | None = None
) -> RecommendationDetail:
    """The test or simulation is running."""
    return _change(session, recommendation_id, RecommendationStatus.RUNNING, principal, note)


@router.post("/recommendations/{recommendation_id}:complete", responses=responses(404, 409, 422))
def complete_recommendation(
    recommendation_id: int, completion: Completion, session: SessionDep, principal: Principal
) -> RecommendationDetail:
    """Report the result: the sample becomes labelled. A late result is accepted and marked."""
    outcomes.complete(session, recommendation_id, completion, actor=principal.name)
    session.flush()  # the detail below reads the new history row
    return _detail(session, recommendation_id)


@router.post("/recommendations/{recommendation_id}:fail", responses=responses(404, 409))
def fail_recommendation(
    recommendation_id: int, session: SessionDep, principal: Principal, note: Note | None = None
) -> RecommendationDetail:
    """It gave no usable result; the design may be proposed again."""
    return _change(session, recommendation_id, RecommendationStatus.FAILED, principal, note)


@router.post("/recommendations/{recommendation_id}:abandon", responses=responses(404, 409))
@requires(Scope.APPROVE)
def abandon_recommendation(
    recommendation_id: int, session: SessionDep, principal: Principal, note: Note | None = None
) -> RecommendationDetail:
    """Give the design up: it is never proposed again."""
    reason = note.reason if note else ""
    outcomes.abandon(session, recommendation_id, actor=principal.name, reason=reason)
    session.flush()
    return _detail(session, recommendation_id)


@router.post("/recommendations/{recommendation_id}:simulate", status_code=202, responses=responses(404, 409))
@requires(Scope.APPROVE)
def simulate_recommendation(
    recommendation_id: int, session: SessionDep, principal: Principal
) -> RecommendationDetail:
    """Let a worker run the simulation; its result comes back by itself."""
    simulations.simulate(session, recommendation_id, actor=principal.name)
    session.flush()
    return _detail(session, recommendation_id)


@router.get("/recommendations/{recommendation_id}/simulation-runs", responses=responses(404))
def list_simulation_runs(recommendation_id: int, session: SessionDep) -> list[SimulationRunRead]:
    """How the simulation goes in the workers' hands: status, progress, reason, attempts."""
    return simulations.read_all(session, recommendation_id)


@router.get("/simulation-runs/{run_id}", responses=responses(404))
def read_simulation_run(run_id: int, session: SessionDep, response: Response) -> SimulationRunRead:
    """Status, progress, reason and attempts of one simulation."""
    run = simulations.read(session, simulations.get(session, run_id))
    if not run.status.is_terminal:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return run


@router.post("/simulation-runs/{run_id}:cancel", responses=responses(404, 409))
def cancel_simulation_run(run_id: int, session: SessionDep, principal: Principal) -> SimulationRunRead:
    """Stop a simulation: at once while it waits, within 2 s, with its solver, while it runs.

    Its recommendation fails: the design may be proposed again, and counts as paid for.
    """
    return simulations.read(session, simulations.cancel(session, run_id, actor=principal.name))


def _change(
    session: SessionDep,
    recommendation_id: int,
    wanted: RecommendationStatus,
    principal: Principal,
    note: Note | None,
) -> RecommendationDetail:
    reason = note.reason if note else ""
    service.change(session, recommendation_id, wanted, actor=principal.name, reason=reason)
    session.flush()  # the detail below reads the new history row
    return _detail(session, recommendation_id)
