"""A hundred kills, one after another, while runs are asked for all the time."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import httpx
import pytest

from tests.functional.faults.books import ENDED, TABLES, Book
from tests.functional.faults.conftest import Table, only_all
from tests.functional.faults.installation import RECOVERY_S, Installation, kill, wait_until

pytestmark = [pytest.mark.functional, only_all]
KILLS = int(os.environ.get("FAULT_KILLS", "100"))
# How often each is chosen, in percent.
VICTIMS = {
    "worker": 45,
    "redis": 10,
    "redis, flushed": 10,
    "postgres": 15,
    "api": 8,
    "beat": 7,
    "serve": 5,
}
OPEN_RUNS = 4
MOST_ROUNDS = 30  # then the pool is used up


class Load:
    """Keeps some runs open."""

    def __init__(self, valued: Book, ranked: Book, rng: random.Random) -> None:
        self.valued, self.ranked, self.rng = valued, ranked, rng

    def open_runs(self) -> dict[tuple[str, int], str]:
        asked = [(book, kind, key) for book in self.books for kind in TABLES for key in book.asked[kind]]
        found = {(kind, key): book.status(kind, key)[0] for book, kind, key in asked}
        return {run: status for run, status in found.items() if status not in ENDED}

    @property
    def books(self) -> tuple[Book, Book]:
        return self.valued, self.ranked

    def fill(self) -> None:
        """Ask for more; a service that is just away is asked again later."""
        try:
            for _ in range(OPEN_RUNS - len(self.open_runs())):
                rounds = len(self.ranked.asked["acquisition-rounds"])
                # Of two rounds at once the second one is refused its candidates: that is no fault.
                alone = not any(kind == "acquisition-rounds" for kind, _ in self.open_runs())
                if alone and rounds < MOST_ROUNDS and self.rng.random() < 0.5:
                    self.ranked.rank()
                else:
                    self.valued.value(epochs=self.rng.choice([20, 150]))
        except httpx.HTTPError:
            time.sleep(0.5)

    def wait_until_running(self) -> None:
        """So that each kill meets a run."""

        def running() -> bool:
            self.fill()
            return "running" in self.open_runs().values()

        wait_until(running, "a run is under way")


def strike(there: Installation, victim: str, rng: random.Random) -> None:
    if victim == "worker":
        kill(rng.choice(there.workers()))
        return
    if victim == "redis, flushed":
        there.redis().flushall()
    there.kill(victim.partition(",")[0])
    if victim == "serve":
        there.start()


def test_a_hundred_kills_under_load(there: Installation, book: Book, ranked: Book, table: Table) -> None:
    rng = random.Random(20261127)
    load, struck = Load(book, ranked, rng), Counter[str]()
    for _ in range(KILLS):
        load.wait_until_running()
        time.sleep(rng.uniform(0, 2))
        victim = rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        strike(there, victim, rng)
        struck[victim] += 1
        there.keep_spare()
    last_at = time.monotonic()
    wait_until(lambda: not load.open_runs(), "all runs end", RECOVERY_S)
    asked = sum(len(keys) for one in load.books for keys in one.asked.values())
    what = ", ".join(f"{count} {name}" for name, count in struck.most_common())
    table.add(f"{KILLS} kills under load ({what}; {asked} runs)", time.monotonic() - last_at, *load.books)
