"""`/workers`: who works, on what, what waits, and what is not well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.workers import (
    FindingLine,
    FindingsContext,
    ProcessLine,
    QueueLine,
    WorkersContext,
    WorkersLiveContext,
)
from service.admin.pages.run_kinds import address_of, name_of
from service.admin.rendering import fragment, frame, page
from service.database.models import Process
from service.dependencies import GuardedRoute, SessionDep, SettingsDep
from service.doctor.checks import examine
from service.errors import UnavailableError
from service.processes import service as processes
from service.queue.messages import Queue
from service.runs import service as runs
from service.runs.service import AnyRun
from service.vocabulary import ProcessKind

router = APIRouter(route_class=GuardedRoute)
DOES = {
    Queue.GPU: "trains and ranks",
    Queue.CPU: "simulates and reads files",
    Queue.IO: "imports, webhooks",
}


@router.get("/workers")
def show_workers(request: Request, session: SessionDep) -> HTMLResponse:
    return page(request, WorkersContext(**_live(request, session), frame=frame(request, "Workers")))


@router.get("/workers/live")
def show_live_workers(request: Request, session: SessionDep) -> HTMLResponse:
    return fragment(WorkersLiveContext(**_live(request, session)))


@router.get("/workers/findings")
def show_findings(settings: SettingsDep) -> HTMLResponse:
    found = [FindingLine(one.check, one.seen, one.remedy, one.well) for one in examine(settings)]
    return fragment(FindingsContext(findings=found))


def _live(request: Request, session: SessionDep) -> dict[str, Any]:
    living = processes.living(session)
    workers = processes.workers_by_queue(session)
    depths, trouble = _depths(request)
    return {
        "processes": _lines(living, runs.running(session)),
        "queues": [_queue(queue, workers, depths) for queue in Queue],
        "has_beat": any(process.kind is ProcessKind.BEAT for process in living),
        "broker_trouble": trouble,
    }


def _depths(request: Request) -> tuple[Mapping[Queue, int], str]:
    try:
        return request.app.state.queue.depths(), ""
    except UnavailableError as error:
        return {}, error.message


def _lines(living: Sequence[Process], running: Sequence[AnyRun]) -> list[ProcessLine]:
    """Runs name their worker by host and process."""
    now = datetime.now(UTC)
    lines = []
    for process in living:
        own = [run for run in running if run.worker == f"{process.host}:{process.pid}"]
        devices = sorted({run.device for run in own if run.device})
        lines.append(
            ProcessLine(
                name=f"{process.host}:{process.pid}",
                kind=process.kind,
                queues=process.queues,
                device=", ".join(devices),
                started_at=process.started_at,
                seen_at=process.seen_at,
                silent_s=max(0.0, (now - process.seen_at).total_seconds()),
                current=[(name_of(run), address_of(run), 100 * run.progress) for run in own],
            )
        )
    return lines


def _queue(queue: Queue, workers: Counter[str], depths: Mapping[Queue, int]) -> QueueLine:
    remedy = "" if workers[queue] else f"Nobody serves it: start crashscout worker --queues {queue}."
    return QueueLine(queue.value, DOES[queue], workers[queue], depths.get(queue), remedy)
