"""REST: the log of each kind of run."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response

from service.contract import LARGEST_ID
from service.database.models import (
    AcquisitionRound,
    Backtest,
    ImportRun,
    Replay,
    SimulationRun,
    ValuationRun,
)
from service.dependencies import SessionDep
from service.problems import responses
from service.routing import NounRouter
from service.run_logs import service
from service.run_logs.schemas import RunLogRead
from service.runs import service as runs
from service.runs.service import AnyRun

router = NounRouter(tags=["run logs"])
RETRY_AFTER_S = 1


class _Place:
    """Where a reader goes on."""

    def __init__(
        self,
        after: Annotated[int, Query(ge=0, le=LARGEST_ID, description="`next_after` of the part before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> None:
        self.after = after
        self.limit = limit


PlaceDep = Annotated[_Place, Depends()]


def _read(
    session: SessionDep, kind: type[AnyRun], run_id: int, place: _Place, response: Response
) -> RunLogRead:
    run = runs.get(session, kind, run_id)
    found = service.read_after(session, run, after=place.after, limit=place.limit)
    if not found.is_complete:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return found


@router.get("/valuation-runs/{run_id}/log", responses=responses(404))
def read_valuation_run_log(
    run_id: int, session: SessionDep, place: PlaceDep, response: Response
) -> RunLogRead:
    """What the worker said while it valued, oldest first; ask again with `next_after` until it is complete."""
    return _read(session, ValuationRun, run_id, place, response)


@router.get("/acquisition-rounds/{round_id}/log", responses=responses(404))
def read_acquisition_round_log(
    round_id: int, session: SessionDep, place: PlaceDep, response: Response
) -> RunLogRead:
    """What the worker said while it ranked, oldest first; ask again with `next_after` until it is complete."""
    return _read(session, AcquisitionRound, round_id, place, response)


@router.get("/backtests/{backtest_id}/log", responses=responses(404))
def read_backtest_log(
    backtest_id: int, session: SessionDep, place: PlaceDep, response: Response
) -> RunLogRead:
    """What the worker said while it replayed strategies; ask again with `next_after` until it is complete."""
    return _read(session, Backtest, backtest_id, place, response)


@router.get("/replays/{replay_id}/log", responses=responses(404))
def read_replay_log(replay_id: int, session: SessionDep, place: PlaceDep, response: Response) -> RunLogRead:
    """What the worker said while it ranked once more; ask again with `next_after` until it is complete."""
    return _read(session, Replay, replay_id, place, response)


@router.get("/imports/{run_id}/log", responses=responses(404))
def read_import_log(run_id: int, session: SessionDep, place: PlaceDep, response: Response) -> RunLogRead:
    """What the worker said while it fetched files; ask again with `next_after` until it is complete."""
    return _read(session, ImportRun, run_id, place, response)


@router.get("/simulation-runs/{run_id}/log", responses=responses(404))
def read_simulation_run_log(
    run_id: int, session: SessionDep, place: PlaceDep, response: Response
) -> RunLogRead:
    """What worker and solver said during a simulation; ask again with `next_after` until it is complete."""
    return _read(session, SimulationRun, run_id, place, response)
