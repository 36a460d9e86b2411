"""An HTTP/1.1 client that costs little: it shares the cores with the service that it measures.

httpx needs about as much of a core for a request as the service does for its answer, so that at 200 requests a second
on two cores it is the client that is measured. Not for anything else: it knows answers with a Content-Length alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LightClient:
    """Connections that stay open, as many as requests under way."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        address = urlsplit(base_url)
        self._host, self._port, self._path = address.hostname or "", address.port or 80, address.path
        lines = {"Host": f"{self._host}:{self._port}", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._free: deque[Connection] = deque()  # in turn: each belongs to one of the processes

    async def get(self, path: str) -> bytes:
        """The body of a successful answer.

        Raises:
            RuntimeError: for any other answer.
        """
        reader, writer = self._free.popleft() if self._free else await self._connect()
        writer.write(f"GET {self._path}{path} HTTP/1.1\r\n{self._head}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0]}: {body[:200]!r}")
        self._free.append((reader, writer))
        return body

    async def _connect(self) -> Connection:
        return await asyncio.open_connection(self._host, self._port)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, writer in self._free:
            writer.close()
