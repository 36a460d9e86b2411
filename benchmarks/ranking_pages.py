"""Pages of a large stored ranking over HTTP: `python -m benchmarks.ranking_pages --output results/pages.json`.

A ranking of 1,000,000 rows is stored by COPY, as a round stores it. Then 50 clients ask an API process for pages of
50 rows after random ranks, each once a second, and the time of every answer is taken. Goal: 20 ms at the 95 %
quantile. On a busy machine the figures are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.api_process import running_api
from benchmarks.light_client import LightClient
from benchmarks.ranking_scale import prepare, vacuum
from service.acquisitions import repository as acquisitions
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.models import AcquisitionRound
from service.pagination import encode_cursor
from service.samples import repository as samples

GOAL_MS = 20.0
PAGE_ROWS = 50


def store_ranking(sessions: sessionmaker[Session], round_id: int) -> float:
    """Rank all candidates of the round's campaign by their ids; seconds of the COPY."""
    with sessions() as session:
        campaign_id = session.get_one(AcquisitionRound, round_id).campaign_id
        ids = [row.id for block in samples.candidate_blocks(session, campaign_id) for row in block]
    lines = (
        (round_id, rank, key, 1 / rank, 0.5, 1.0, 26.0, 1.5, True, True) for rank, key in enumerate(ids, 1)
    )
    start = time.perf_counter()
    with unit_of_work(sessions) as session:
        acquisitions.copy_ranking(session, lines)
    return time.perf_counter() - start


async def page_times(url: str, size: int, clients: int, requests: int, pause_s: float) -> list[float]:
    """Milliseconds of all answers of all clients."""
    generator = np.random.default_rng(0)
    async with LightClient(url, {}) as client:

        async def read_pages(ranks: list[int], begin_s: float) -> list[float]:
            await asyncio.sleep(begin_s)
            times = []
            for rank in ranks:
                start = time.perf_counter()
                body = await client.get(f"?limit={PAGE_ROWS}&cursor={encode_cursor(rank)}")
                times.append(1e3 * (time.perf_counter() - start))
                assert json.loads(body)["items"][0]["rank"] == rank + 1
                await asyncio.sleep(pause_s)
            return times

        jobs = [
            read_pages(generator.integers(0, size - 1, requests).tolist(), pause_s * generator.random())
            for _ in range(clients)
        ]
        return [time for times in await asyncio.gather(*jobs) for time in times[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=20, help="of each client; the first is not counted")
    parser.add_argument("--pause-s", type=float, default=1.0)
    arguments = parser.parse_args()
    with running_api() as api:
        engine = make_engine(api.database_url)
        sessions = make_session_factory(engine)
        round_id = prepare(sessions, arguments.rows, 0)
        stored_s = store_ranking(sessions, round_id)
        engine.dispose()
        vacuum(api.database_url, "samples", "ranked_candidates")
        url = f"{api.url}/api/v1/acquisition-rounds/{round_id}/ranking"
        times = asyncio.run(
            page_times(url, arguments.rows, arguments.clients, arguments.requests, arguments.pause_s)
        )
    p50, p95, p99 = np.quantile(times, [0.5, 0.95, 0.99])
    document = {
        "rows": arguments.rows,
        "stored_s": stored_s,
        "clients": arguments.clients,
        "pause_s": arguments.pause_s,
        "pages": len(times),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "goal_ms": GOAL_MS,
        "goal_met": bool(p95 <= GOAL_MS),
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(document, indent=2))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
