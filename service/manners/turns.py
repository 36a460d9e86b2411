"""Which requests of a process ask the database at the same time: few, unless these are slow.

Threads of one process take the interpreter from each other. A dozen that each build a page finish later than the same
pages built three at a time, one computing while the others wait for the database: under load the times of all answers
grow several times (`benchmarks.api_load`). A few slow statements must not hold up everybody else, so who has waited
for `patience_s` goes on, as long as there are connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 3
PATIENCE_S = 0.25


class Turns:
    """Turns of the requests of one process, in the order in which they came."""

    def __init__(self, most: int, *, at_once: int = AT_ONCE, patience_s: float = PATIENCE_S) -> None:
        """`most` hold a turn at the same time, however long others have waited."""
        self._all = asyncio.Semaphore(most)
        self._few = asyncio.Semaphore(at_once)
        self._patience_s = patience_s

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it until the block ends; nothing else is held meanwhile."""
        async with self._all:
            is_of_few = await self._is_of_few()
            try:
                yield
            finally:
                if is_of_few:
                    self._few.release()

    async def _is_of_few(self) -> bool:
        """True with one of the few turns, False when there was none in time."""
        if not self._few.locked():
            return await self._few.acquire()
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._few.acquire()
        except TimeoutError:
            return False
