from __future__ import annotations

import asyncio

import pytest

from service.manners.turns import Turns

LONG_S = 3600.0


class Visit:
    """A request that holds its turn until it is told to go."""

    def __init__(self, turns: Turns) -> None:
        self.has_turn, self._may_go = False, asyncio.Event()
        self.task = asyncio.create_task(self._stay(turns))

    async def _stay(self, turns: Turns) -> None:
        async with turns.take():
            self.has_turn = True
            await self._may_go.wait()

    async def go(self) -> None:
        self._may_go.set()
        await self.task


async def visits(turns: Turns, count: int) -> list[Visit]:
    found = [Visit(turns) for _ in range(count)]
    await settled()
    return found


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_few_have_a_turn_at_once_and_the_next_in_the_order_of_coming() -> None:
    async def run() -> None:
        found = await visits(Turns(12, at_once=3, patience_s=LONG_S), 5)
        assert [visit.has_turn for visit in found] == [True, True, True, False, False]
        await found[1].go()
        await settled()
        assert [visit.has_turn for visit in found] == [True, True, True, True, False]
        for visit in found:
            await visit.go()

    asyncio.run(run())


def test_slow_ones_are_counted_no_longer_and_others_go_on_beside_them_up_to_the_most() -> None:
    async def run() -> None:
        found = await visits(Turns(4, at_once=1, patience_s=0.01), 6)
        while sum(visit.has_turn for visit in found) < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert [visit.has_turn for visit in found] == [True] * 4 + [False] * 2
        for visit in found:
            await visit.go()

    asyncio.run(run())


def test_a_slow_one_that_ends_leaves_as_many_turns_as_there_were() -> None:
    async def run() -> None:
        turns = Turns(12, at_once=1, patience_s=0.01)
        (slow,) = await visits(turns, 1)
        await asyncio.sleep(0.05)
        await slow.go()
        turns._patience_s = LONG_S
        found = await visits(turns, 2)
        assert [visit.has_turn for visit in found] == [True, False]
        for visit in found:
            await visit.go()

    asyncio.run(run())


def test_turns_come_back_from_those_that_fail_or_go_away() -> None:
    async def run() -> None:
        turns = Turns(2, at_once=1, patience_s=LONG_S)
        with pytest.raises(ValueError, match="broken"):
            async with turns.take():
                raise ValueError("broken")
        first, waiting, outside = await visits(turns, 3)
        assert (first.has_turn, waiting.has_turn, outside.has_turn) == (True, False, False)
        for visit in (waiting, outside):
            visit.task.cancel()
        await first.go()
        (last,) = await visits(turns, 1)
        assert last.has_turn
        await last.go()

    asyncio.run(run())
