"""REST: the events of a campaign as a stream."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Header, Request, Response

from service.database.engine import unit_of_work
from service.dependencies import CampaignDep, still_reads
from service.events import service
from service.events.stream import EventStream, EventStreams
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(tags=["events"])
_DESCRIPTION = (
    "Server-sent events. `id` is the position: send it back as `Last-Event-ID` to go on without a gap; without "
    "it, or when it is older than the retention, the stream begins with an event `snapshot` (summary and open "
    "round). `event` is `noun.state`, `data` an EventRead; a comment every 15 s keeps the connection."
)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": _DESCRIPTION, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get(
    "/campaigns/{campaign_id}/events",
    response_class=Response,
    responses=_STREAM | responses(404, 422, 503),
)
def stream_events(
    campaign: CampaignDep,
    request: Request,
    last_event_id: Annotated[str | None, Header(description="`id` of the last event seen.")] = None,
) -> Response:
    """Everything that happens in a campaign, as it happens; no event is lost at a reconnect."""
    streams: EventStreams = request.app.state.event_streams
    sessions = request.app.state.sessions
    with unit_of_work(
        sessions
    ) as session:  # it numbers the newest events, and a GET's own session reads alone
        start = service.start(session, campaign.id, service.parse_position(last_event_id))
    may_read = partial(still_reads, request, campaign.id)
    return EventStream(sessions, campaign.id, start, streams, may_read)
