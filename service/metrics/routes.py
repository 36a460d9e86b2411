"""`GET /metrics`: on the port of the API and behind its keys, so that it is never open where the API is not.

It counts the rows of all campaigns, so it needs `read` for all of them.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from service.dependencies import GuardedRoute, Principal

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)


@router.get("/metrics")
def metrics(request: Request, principal: Principal) -> Response:
    """The text format of Prometheus."""
    principal.require_all_campaigns()
    rows = CollectorRegistry()
    rows.register(request.app.state.row_figures)
    body = generate_latest(request.app.state.request_times.of_all_processes()) + generate_latest(rows)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
