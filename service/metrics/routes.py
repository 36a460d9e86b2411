"""`GET /metrics`: on the port of the API and behind its key, so that it is never open where the API is not."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from service.dependencies import principal_of

router = APIRouter(include_in_schema=False)


@router.get("/metrics", dependencies=[Depends(principal_of)])
def metrics(request: Request) -> Response:
    """The text format of Prometheus."""
    rows = CollectorRegistry()
    rows.register(request.app.state.row_figures)
    body = generate_latest(request.app.state.request_times.registry) + generate_latest(rows)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
