"""Server-sent events: a bounded number of streams, each a poll of the outbox with no session held in between."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.database.engine import unit_of_work
from service.errors import UnavailableError
from service.events import service
from service.events.schemas import EventRead

POLL_S = 0.5
# Proxies close what is silent; half a minute is the shortest habit among them.
HEARTBEAT_S = 15.0
# How often it is asked whether the reader may still read: a revoked key ends its streams.
CHECK_S = 10.0
# How long a client waits before it connects again, in ms.
RETRY_MS = 2000


class EventStreams:
    """Counts the open streams of this process: each costs a poll, and a client may forget to close its own."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while a stream is open.

        Raises:
            UnavailableError: if all are taken.
        """
        if self.open >= self.limit:
            hint = "Close streams that nobody reads, or raise CRASHSCOUT_EVENT_STREAMS."
            raise UnavailableError(f"All {self.limit} event streams are taken.", hint=hint)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class EventStream(StreamingResponse):
    """Sends events until the client goes; without a free place nothing is sent but the problem."""

    media_type = "text/event-stream"

    def __init__(
        self,
        sessions: sessionmaker[Session],
        campaign_id: int,
        start: service.Start,
        streams: EventStreams,
        may_read: Callable[[], bool],
    ) -> None:
        """A stream of one campaign; it ends when `may_read`, which may query, says no."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(_messages(sessions, campaign_id, start, may_read), headers=headers)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.place():
            await super().__call__(scope, receive, send)


async def _messages(
    sessions: sessionmaker[Session], campaign_id: int, start: service.Start, may_read: Callable[[], bool]
) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    if start.snapshot is not None:
        yield _message(start.position, "snapshot", start.snapshot)
    position, sent_at = start.position, time.monotonic()
    checked_at = sent_at
    while True:
        if time.monotonic() - checked_at >= CHECK_S:
            if not await run_in_threadpool(may_read):
                return
            checked_at = time.monotonic()
        events = await run_in_threadpool(_read, sessions, campaign_id, position)
        if events:
            yield "".join(_message(row.position, row.type, row.model_dump(mode="json")) for row in events)
            position, sent_at = events[-1].position, time.monotonic()
            continue
        if time.monotonic() - sent_at >= HEARTBEAT_S:
            yield ": still here\n\n"
            sent_at = time.monotonic()
        await asyncio.sleep(POLL_S)


def _read(sessions: sessionmaker[Session], campaign_id: int, position: int) -> list[EventRead]:
    with unit_of_work(sessions) as session:
        return service.following(session, campaign_id, position)


def _message(position: int, name: str, document: dict[str, Any]) -> str:
    return f"id: {position}\nevent: {name}\ndata: {json.dumps(document)}\n\n"
