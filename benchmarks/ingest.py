"""Bulk ingest over HTTP, end to end into Postgres: `python -m benchmarks.ingest --output results/ingest.json`.

Candidates of the occupant model's campaign (16 features each, all different) go through `samples:bulk` of an API
process, from a few clients at once, with all checks, into a durable Postgres. Bodies are made before the clock
starts. Goal: 20,000 samples a second. On a busy machine the figure is a lower bound; the processor time of the API
process for each sample says what it needs on its core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.api_process import RunningApi, processor_s, running_api
from benchmarks.ranking_scale import candidates
from worker.demo.data import SIMULATION, campaign_document

GOAL_PER_S = 20_000
API = "/api/v1"
CONTENT_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"}


def bodies(total: int, rows: int, form: str) -> list[bytes]:
    """Requests of so many rows each."""
    if form == "csv":
        return _csv_bodies(total, rows)
    lines = [
        json.dumps({
            "external_id": f"design-{number}", "source": SIMULATION, "group": group,
            "planned_features": json.loads(features),
        })
        for number, (group, features) in enumerate(candidates(total))
    ]  # fmt: skip
    blocks = [lines[start : start + rows] for start in range(0, total, rows)]
    if form == "ndjson":
        return ["\n".join(block).encode() for block in blocks]
    return [f'{{"samples": [{",".join(block)}]}}'.encode() for block in blocks]


def _csv_bodies(total: int, rows: int) -> list[bytes]:
    designs = [(group, json.loads(features)) for group, features in candidates(total)]
    names = list(designs[0][1])
    header = ",".join(["external_id", "source", "group", *names])
    lines = [
        ",".join([f"design-{number}", SIMULATION, group, *(str(design[name]) for name in names)])
        for number, (group, design) in enumerate(designs)
    ]
    return ["\n".join([header, *lines[start : start + rows]]).encode() for start in range(0, total, rows)]


def measure(api: RunningApi, total: int, rows: int, clients: int, form: str) -> dict[str, object]:
    sent = bodies(total, rows, form)
    with httpx.Client(base_url=api.url, timeout=600) as client:
        document = campaign_document(f"{form}, {clients} clients")
        campaign_id = client.post(f"{API}/campaigns", json=document).raise_for_status().json()["id"]
        url = f"{API}/campaigns/{campaign_id}/samples:bulk"

        def send(body: bytes) -> int:
            answer = client.post(url, content=body, headers={"content-type": CONTENT_TYPES[form]})
            return answer.raise_for_status().json()["created"]

        start, processor = time.perf_counter(), processor_s(api.pid)
        with ThreadPoolExecutor(clients) as pool:
            created = sum(pool.map(send, sent))
        seconds, processor = time.perf_counter() - start, processor_s(api.pid) - processor
    assert created == total
    return {
        "form": form,
        "clients": clients,
        "rows_in_a_request": rows,
        "samples": total,
        "seconds": seconds,
        "samples_per_s": total / seconds,
        "api_processor_us_per_sample": 1e6 * processor / total,
        "goal_met": total / seconds >= GOAL_PER_S,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=10_000, help="in a request")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--forms", nargs="+", choices=list(CONTENT_TYPES), default=["json"])
    arguments = parser.parse_args()
    results = []
    with running_api() as api:
        for form in arguments.forms:
            for clients in arguments.clients:
                results.append(measure(api, arguments.samples, arguments.rows, clients, form))
                print(results[-1], flush=True)
    document = {
        "goal_per_s": GOAL_PER_S,
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "results": results,
    }
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
