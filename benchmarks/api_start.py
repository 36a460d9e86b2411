"""How long an API process takes to answer, and the memory it then holds: `python -m benchmarks.api_start`.

Fresh processes on engines that run already, one after the other; the clock starts before the process and stops at the
first answer of `/health/ready` (which asks the database). The memory is the resident set then; what it has grown to
after one request to every list of the API is told beside it. Goals of the start: 2 s and 150 MB, as medians. On a busy
machine the seconds are upper bounds; the processor time says what the start needs on a core of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.api_process import RunningApi, processor_s, running_apis
from worker.demo.data import campaign_document

GOAL_S, GOAL_MB = 2.0, 150.0
API = "/api/v1"
LISTS = (
    "samples",
    "uploads",
    "imports",
    "valuation-runs",
    "backtests",
    "acquisition-rounds",
    "rounds",
    "schedules",
)


def resident_mb(pid: int) -> float:
    """Resident set of a process in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(api: RunningApi) -> dict[str, float]:
    started_s, at_start_mb = api.started_s, resident_mb(api.pid)
    needed_s = processor_s(api.pid)
    with httpx.Client(base_url=api.url, timeout=60) as client:
        campaign = client.post(f"{API}/campaigns", json=campaign_document("start")).raise_for_status().json()
        for name in LISTS:
            client.get(f"{API}/campaigns/{campaign['id']}/{name}").raise_for_status()
    return {
        "seconds": started_s,
        "processor_seconds": needed_s,
        "resident_mb": at_start_mb,
        "resident_mb_after_requests": resident_mb(api.pid),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--starts", type=int, default=7)
    python = (
        "of another installation; the one that developers use has packages that an API alone does without"
    )
    parser.add_argument("--python", default=sys.executable, help=python)
    arguments = parser.parse_args()
    with running_apis(arguments.python) as start:
        starts = []
        for _ in range(arguments.starts):
            with start() as api:
                starts.append(measure(api))
            print(starts[-1], flush=True)
            time.sleep(0.1)
    medians: dict[str, Any] = {name: statistics.median(one[name] for one in starts) for name in starts[0]}
    document = {
        "medians": medians,
        "goals": {"seconds": GOAL_S, "resident_mb": GOAL_MB},
        "goals_met": medians["seconds"] <= GOAL_S and medians["resident_mb"] <= GOAL_MB,
        "starts": starts,
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps({key: value for key, value in document.items() if key != "starts"}, indent=2))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
