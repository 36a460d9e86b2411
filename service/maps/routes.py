"""REST: the map of a round."""

from __future__ import annotations

from service.dependencies import SessionDep
from service.maps import service
from service.maps.schemas import PoolMapRead
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(tags=["acquisition rounds"])


@router.get("/acquisition-rounds/{round_id}/map", responses=responses(404))
def read_acquisition_round_map(round_id: int, session: SessionDep) -> PoolMapRead:
    """The round's pool on a plane: labelled, pending, the batch, a part of the pool and of the target domain."""
    return service.read(session, service.get(session, round_id))
