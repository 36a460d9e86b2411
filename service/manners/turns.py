"""Which requests of a process ask the database at the same time: few, unless these are slow.

Threads of one process take the interpreter from each other. A dozen that each build a page finish later than the same
pages built three at a time, one computing while the others wait for the database: under load the times of all answers
grow several times (`benchmarks.api_load`). Slow requests must not hold up everybody else: who has held a turn for
`patience_s` is counted no longer, and the next goes on beside it, as long as there are connections.
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
        """`most` hold a turn at the same time, however long they have held it."""
        self._all = asyncio.Semaphore(most)
        self._few = asyncio.Semaphore(at_once)
        self._patience_s = patience_s

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it until the block ends; nothing else is held meanwhile."""
        async with self._all, self._one_of_few():
            yield

    @asynccontextmanager
    async def _one_of_few(self) -> AsyncIterator[None]:
        await self._few.acquire()
        is_counted = True

        def count_no_longer() -> None:
            nonlocal is_counted
            if is_counted:
                is_counted = False
                self._few.release()

        timer = asyncio.get_running_loop().call_later(self._patience_s, count_no_longer)
        try:
            yield
        finally:
            timer.cancel()
            count_no_longer()
