"""An export on its way: a bounded number at once, each with a session of its own that ends with the connection."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

import anyio
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from service.database.engine import unit_of_work
from service.errors import UnavailableError
from service.exports.formats import MEDIA_TYPES, Writer, write
from service.exports.schemas import ExportFormat
from service.exports.service import Table

MOST_AT_ONCE = 4  # of the ten connections of a process: the others are for requests that end soon


class ExportPlaces:
    """Counts the exports of this process that are under way: each holds a connection to the database."""

    def __init__(self) -> None:
        self.taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            UnavailableError: if all are taken.
        """
        if self.taken >= MOST_AT_ONCE:
            raise UnavailableError(
                f"{MOST_AT_ONCE} exports are under way already.",
                hint="Wait until one has ended, then try again.",
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class ExportStream(StreamingResponse):
    """Sends a table as it is read.

    An error on the way is raised to the server, which cuts the connection: the last chunk is missing and every
    client can tell. When the client goes, the cursor and the connection to the database are given back.
    """

    def __init__(
        self,
        table: Table,
        writer: Writer,
        sessions: sessionmaker[Session],
        places: ExportPlaces,
        *,
        export_format: ExportFormat,
        name: str,
    ) -> None:
        self._pieces = _pieces(table, writer, sessions)
        self._places = places
        headers = {"Content-Disposition": f'attachment; filename="{name}.{export_format}"'}
        super().__init__(self._pieces, headers=headers, media_type=MEDIA_TYPES[export_format])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.place():
            try:
                await super().__call__(scope, receive, send)
            finally:
                with anyio.CancelScope(shield=True):  # also when the client has gone
                    await run_in_threadpool(self._pieces.close)


def _pieces(table: Table, writer: Writer, sessions: sessionmaker[Session]) -> Generator[bytes]:
    with unit_of_work(sessions, frozen=True) as session, closing(table.read(session)) as blocks:
        yield from write(blocks, writer)
