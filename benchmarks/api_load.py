"""Mixed reads at a fixed rate: `python -m benchmarks.api_load --output results/api_load.json`.

A campaign with 20,000 candidates, a ranking of 10,000 rows and 200 recommendations stands in a durable Postgres behind
an API of a process for each core. Requests arrive by chance (Poisson) at 200 a second, whatever becomes of those
before: a slow answer makes the next ones wait in the figures too, as it does for users (no coordinated omission). Each
time counts from the planned moment of its request. Goal: 50 ms at the 95 % quantile.

The key comes from CRASHSCOUT_API_KEY, or is made for the run. What it costs to look at one shows in the medians of
single requests: `/health/live` needs none, a wrong one is refused before anything else is done (the difference is the
authentication), and a list of one campaign is an ordinary request. On a busy machine all figures are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.api_process import RunningApi, processor_s, running_api
from benchmarks.light_client import LightClient
from benchmarks.ranking_pages import store_ranking
from benchmarks.ranking_scale import prepare, vacuum
from service.acquisitions import repository as acquisitions
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.models import AcquisitionRound, Sample
from service.lifecycles import RunStatus
from service.pagination import encode_cursor
from service.vocabulary import Arm

KEY = "CRASHSCOUT_API_KEY"
GOAL_MS, GOAL_AUTHENTICATION_MS = 50.0, 1.0
RECOMMENDATIONS = 200
PAGE_ROWS = 50
SINGLE_REQUESTS = 300
WARM_UP = 1000


def fill(database_url: str, candidates: int) -> tuple[int, int]:
    """(campaign, round) with candidates, a ranking of them and its recommendations."""
    engine = make_engine(database_url)
    sessions = make_session_factory(engine)
    round_id = prepare(sessions, candidates, 0)
    store_ranking(sessions, round_id)
    campaign_id = _recommend(sessions, round_id)
    engine.dispose()
    vacuum(database_url, "samples", "ranked_candidates", "recommendations")
    return campaign_id, round_id


def _recommend(sessions: sessionmaker[Session], round_id: int) -> int:
    with unit_of_work(sessions) as session:
        round_ = session.get_one(AcquisitionRound, round_id)
        round_.status, round_.data_hash, round_.progress = RunStatus.SUCCEEDED, "0" * 64, 1.0
        pool = session.query(Sample.id).filter_by(campaign_id=round_.campaign_id, status="candidate")
        rows = [
            {
                "campaign_id": round_.campaign_id, "round_id": round_id, "sample_id": key, "rank": rank,
                "score": 1 / rank, "components": {"information": 1.0}, "reason": "it is far from every test",
                "arm": Arm.CHOSEN, "acquisition_cost": 3000, "currency": "USD",
            }
            for rank, (key,) in enumerate(pool.order_by(Sample.id).limit(RECOMMENDATIONS), 1)
        ]  # fmt: skip
        acquisitions.insert_recommendations(session, rows, actor="benchmark")
        return round_.campaign_id


def routes(campaign_id: int, round_id: int, generator: np.random.Generator, ranks: int) -> dict[str, str]:
    """One request of each kind, pages begin anywhere."""
    cursor = encode_cursor(int(generator.integers(0, ranks - PAGE_ROWS)))
    campaign, page = f"/campaigns/{campaign_id}", f"?limit={PAGE_ROWS}&cursor={cursor}"
    return {
        "list samples": f"{campaign}/samples{page}",
        "read round": f"/acquisition-rounds/{round_id}",
        "recommendations": f"{campaign}/recommendations?limit={PAGE_ROWS}",
        "ranking page": f"/acquisition-rounds/{round_id}/ranking{page}",
        "campaign summary": f"{campaign}/summary",
        "regret ledger": f"{campaign}/regret-ledger",
        "valuation runs": f"{campaign}/valuation-runs?limit={PAGE_ROWS}",
    }


async def mixed_load(
    client: LightClient, requests: Sequence[tuple[str, str]], arrivals_s: Sequence[float]
) -> dict[str, list[float]]:
    """Milliseconds from the planned moment to the end of the answer, by kind of request."""
    found: dict[str, list[float]] = {}
    begin = time.perf_counter()

    async def send(name: str, url: str, moment_s: float) -> None:
        await client.get(url)
        found.setdefault(name, []).append(1e3 * (time.perf_counter() - begin - moment_s))

    async with asyncio.TaskGroup() as under_way:
        for (name, url), moment_s in zip(requests, arrivals_s, strict=True):
            # One after the other: thousands of sleeping tasks made at once would hold up the first second.
            if (wait_s := begin + moment_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            under_way.create_task(send(name, url, moment_s))
    return found


def measure(api: RunningApi, key: str, rate: float, seconds: float, candidates: int) -> dict[str, Any]:
    campaign_id, round_id = fill(api.database_url, candidates)
    generator = np.random.default_rng(0)
    count = int(rate * seconds)
    kinds = [routes(campaign_id, round_id, generator, candidates) for _ in range(count)]
    requests = [list(kind.items())[number % len(kind)] for number, kind in enumerate(kinds)]
    arrivals_s = np.cumsum(generator.exponential(1 / rate, count))
    headers = {"authorization": f"Bearer {key}"}

    async def run() -> tuple[dict[str, list[float]], float]:
        async with LightClient(f"{api.url}/api/v1", headers) as client:
            # Each process compiles its statements, each connection prepares them: at half of the rate, not measured.
            await mixed_load(client, requests[:WARM_UP], (2 * arrivals_s[:WARM_UP]).tolist())
            before = processor_s(api.pid)
            times = await mixed_load(client, requests, arrivals_s.tolist())
            return times, processor_s(api.pid) - before

    times, processor = asyncio.run(run())
    every = [time_ms for of_kind in times.values() for time_ms in of_kind]
    return {
        "rate_per_s": rate,
        "requests": count,
        **quantiles(every),
        "api_processor_ms_per_request": 1e3 * processor / count,
        "by_kind": {name: quantiles(of_kind) for name, of_kind in sorted(times.items())},
    }


def quantiles(times_ms: Sequence[float]) -> dict[str, float]:
    p50, p95, p99 = np.quantile(times_ms, [0.5, 0.95, 0.99])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99)}


def authentication_ms(api: RunningApi, key: str) -> dict[str, float]:
    """Median milliseconds of requests one after the other: without a key, refused for a wrong one, served."""
    with httpx.Client(base_url=api.url, timeout=60) as client:
        medians = {}
        for name, url, headers in (
            ("without_key", "/health/live", {}),
            ("wrong_key", "/api/v1/campaigns", {"authorization": "Bearer wrong"}),
            ("with_key", "/api/v1/campaigns?limit=1", {"authorization": f"Bearer {key}"}),
        ):
            times = []
            for _ in range(SINGLE_REQUESTS):
                start = time.perf_counter()
                client.get(url, headers=headers)
                times.append(1e3 * (time.perf_counter() - start))
            medians[name] = statistics.median(times)
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="of the API")
    arguments = parser.parse_args()
    key = os.environ.setdefault(KEY, secrets.token_urlsafe(32))  # the API process reads it there
    with running_api(arguments.processes) as api:
        result = measure(api, key, arguments.rate, arguments.seconds, arguments.candidates)
        result["authentication_ms"] = authentication_ms(api, key)
    result |= {
        "processes": arguments.processes,
        "goal_p95_ms": GOAL_MS,
        "goal_met": result["p95_ms"] <= GOAL_MS,
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
