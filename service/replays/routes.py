"""REST: replays of acquisition rounds."""

from __future__ import annotations

from fastapi import Response, status

from service.dependencies import PageDep, Principal, SessionDep
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.replays import service
from service.replays.schemas import ReplayRead
from service.routing import NounRouter

router = NounRouter(tags=["replays"])
RETRY_AFTER_S = 2


@router.post(
    "/acquisition-rounds/{round_id}:replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409),
)
def replay_acquisition_round(
    round_id: int, session: SessionDep, principal: Principal, response: Response
) -> ReplayRead:
    """Rank the round once more on the data as they stood then, and compare with what was stored."""
    replay = service.request_replay(session, round_id, actor=principal.name)
    response.headers["Location"] = f"/api/v1/replays/{replay.id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return ReplayRead.model_validate(replay)


@router.get("/acquisition-rounds/{round_id}/replays", responses=responses(400, 404))
def list_replays(round_id: int, session: SessionDep, page: PageDep) -> Page[ReplayRead]:
    """Replays of a round, oldest first."""
    rows, more = service.page(session, round_id, page)
    items = [ReplayRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/replays/{replay_id}", responses=responses(404))
def read_replay(replay_id: int, session: SessionDep, response: Response) -> ReplayRead:
    """Status and comparison of one replay."""
    replay = ReplayRead.model_validate(service.get(session, replay_id))
    if not replay.status.is_terminal:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return replay


@router.post("/replays/{replay_id}:cancel", responses=responses(404, 409))
def cancel_replay(replay_id: int, session: SessionDep, principal: Principal) -> ReplayRead:
    """Stop a replay."""
    return ReplayRead.model_validate(service.cancel(session, replay_id, actor=principal.name))
