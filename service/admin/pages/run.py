"""`/valuation-runs/{id}` and its like for each kind of run: where it stands, and its log as it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.run import RunContext, RunLogContext, RunStateContext
from service.admin.pages.line_of_run import line_of
from service.admin.pages.run_kinds import KINDS, address_of
from service.admin.rendering import fragment, frame, page
from service.campaigns import service as campaigns
from service.contract import LARGEST_ID
from service.database.models import (
    AcquisitionRound,
    Backtest,
    Campaign,
    ImportRun,
    Replay,
    SimulationRun,
    ValuationRun,
)
from service.dependencies import GuardedRoute, SessionDep, SettingsDep
from service.run_logs import service as run_logs
from service.run_logs.schemas import RunLogLineRead
from service.runs import service as all_runs
from service.runs.schemas import AttemptRead
from service.runs.service import AnyRun

router = APIRouter(route_class=GuardedRoute)
Place = Annotated[int, Query(ge=0, le=LARGEST_ID)]
Answer = Callable[..., HTMLResponse]
SHOWN = 200  # lines at once


def _page_of(kind: type[AnyRun]) -> Answer:
    def show_run(request: Request, run_id: int, session: SessionDep, settings: SettingsDep) -> HTMLResponse:
        run = all_runs.get(session, kind, run_id)
        campaign = campaigns.get(session, run.campaign_id)
        state = _state(session, run, campaign)
        context = RunContext(
            **state,
            **_newest(session, run),
            frame=frame(request, state["run"].name, section="runs", campaign=campaign),
            about=_about(run),
            keep_days=settings.run_log_retention_days,
        )
        return page(request, context)

    return show_run


def _state_of(kind: type[AnyRun]) -> Answer:
    def show_run_state(run_id: int, session: SessionDep) -> HTMLResponse:
        run = all_runs.get(session, kind, run_id)
        return fragment(RunStateContext(**_state(session, run, campaigns.get(session, run.campaign_id))))

    return show_run_state


def _log_of(kind: type[AnyRun]) -> Answer:
    def show_run_log(run_id: int, session: SessionDep, after: Place = 0) -> HTMLResponse:
        return fragment(RunLogContext(**_after(session, all_runs.get(session, kind, run_id), after)))

    return show_run_log


def _earlier_log_of(kind: type[AnyRun]) -> Answer:
    def show_earlier_run_log(run_id: int, session: SessionDep, before: Place = LARGEST_ID) -> HTMLResponse:
        return fragment(RunLogContext(**_before(session, all_runs.get(session, kind, run_id), before)))

    return show_earlier_run_log


for _kind, (_, _collection) in KINDS.items():
    for _rest, _make in (
        ("", _page_of),
        ("/state", _state_of),
        ("/log", _log_of),
        ("/log/earlier", _earlier_log_of),
    ):
        router.add_api_route(f"/{_collection}/{{run_id:int}}{_rest}", _make(_kind), methods=["GET"])


def _state(session: SessionDep, run: AnyRun, campaign: Campaign) -> dict[str, Any]:
    return {
        "run": line_of(run, campaign),
        "worker": run.worker or "",
        "state_url": f"{address_of(run)}/state",
        "attempts": [AttemptRead.model_validate(line) for line in all_runs.history(session, run)],
    }


def _newest(session: SessionDep, run: AnyRun) -> Mapping[str, Any]:
    earlier = _before(session, run, LARGEST_ID)
    lines: list[RunLogLineRead] = earlier["lines"]
    newer = _after(session, run, lines[-1].id if lines else 0)
    return newer | {"lines": [*lines, *newer["lines"]], "earlier_url": earlier["earlier_url"]}


def _after(session: SessionDep, run: AnyRun, after: int) -> dict[str, Any]:
    found = run_logs.read_after(session, run, after=after, limit=SHOWN)
    closing = "End of the log." if found.next_after else "Nothing is kept of what it said."
    return {
        "lines": found.lines,
        "earlier_url": None,
        "newer_url": None if found.is_complete else f"{address_of(run)}/log?after={found.next_after}",
        "has_more": found.has_more,
        "closing": closing if found.is_complete else "",
    }


def _before(session: SessionDep, run: AnyRun, before: int) -> dict[str, Any]:
    lines, has_earlier = run_logs.read_before(session, run, before=before, limit=SHOWN)
    return {
        "lines": lines,
        "earlier_url": f"{address_of(run)}/log/earlier?before={lines[0].id}" if has_earlier else None,
        "newer_url": None,
        "has_more": False,
        "closing": "",
    }


RESULTS: dict[type[AnyRun], tuple[str, str]] = {
    ValuationRun: ("Data values", "/data-values"),
    AcquisitionRound: ("Recommendations", "/recommendations"),
    ImportRun: ("Uploads and imports", "/uploads"),
}


def _about(run: AnyRun) -> tuple[str, str]:
    """What asked for the run, or what comes out of it."""
    base = f"/campaigns/{run.campaign_id}"
    if isinstance(run, SimulationRun):
        return f"Recommendation {run.recommendation_id}", f"/recommendations/{run.recommendation_id}"
    if isinstance(run, Replay):
        return f"Round {run.round_id}", f"/acquisition-rounds/{run.round_id}"
    if isinstance(run, Backtest):
        return "Its report", f"{base}/backtests/{run.id}"
    name, path = RESULTS[type(run)]
    return name, f"{base}{path}"
