"""Exports of a large campaign over HTTP: `python -m benchmarks.export --output results/export.json`.

A campaign of 1,000,000 samples is stored by COPY. Then an API process exports all samples in each format, and the
predictions of all, while a client reads and throws away; the peak of the process's memory (VmHWM) is read before and
after each. Goal: no export adds more than 150 MB, whatever the number of rows. On a busy machine the times are upper
bounds; memory is not touched by that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.api_process import running_api
from benchmarks.ranking_scale import prepare, vacuum
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.models import AcquisitionRound
from service.samples import repository as samples
from service.valuations import repository as valuations
from service.vocabulary import Split

GOAL_MB = 150.0
FORMATS = ("csv", "ndjson", "parquet")


def memory_mb(pid: int, field: str) -> float:
    """Resident memory of a process: VmRSS is that of now, VmHWM the peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def forget_peak(pid: int) -> None:
    """Let VmHWM begin again at what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def measure(url: str, pid: int, **parameters: str) -> dict[str, Any]:
    """One export: seconds, bytes, and what its peak is above the memory before it."""
    forget_peak(pid)
    before, start, size = memory_mb(pid, "VmRSS"), time.perf_counter(), 0
    with httpx.stream("GET", url, params=parameters, timeout=600) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            size += len(piece)
    peak = memory_mb(pid, "VmHWM")
    return {
        "seconds": time.perf_counter() - start,
        "megabytes": size / 2**20,
        "before_mb": before,
        "peak_mb": peak,
        "added_mb": peak - before,
    }


def campaign_of(sessions: sessionmaker[Session], round_id: int) -> int:
    with unit_of_work(sessions) as session:
        return session.get_one(AcquisitionRound, round_id).campaign_id


def add_data_values(sessions: sessionmaker[Session], campaign_id: int) -> None:
    """What the surrogate learned from, which `prepare` leaves out and predictions measure distances to."""
    with unit_of_work(sessions) as session:
        surrogate = valuations.newest_surrogate(session, campaign_id)
        assert surrogate is not None
        labelled = samples.labelled(session, campaign_id, splits=[Split.TRAIN])
        even = {"value": 0.0, "weight": 1.0, "spread": 0.0, "value_target_loss": 0.0, "value_transport": 0.0}
        rows = [
            {"valuation_run_id": surrogate.valuation_run_id, "sample_id": sample.id, "rank": rank, **even}
            for rank, sample in enumerate(labelled, 1)
        ]
        valuations.insert_values(session, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with running_api() as api:
        engine = make_engine(api.database_url)
        sessions = make_session_factory(engine)
        campaign_id = campaign_of(sessions, prepare(sessions, arguments.rows, 0))
        add_data_values(sessions, campaign_id)
        engine.dispose()
        vacuum(api.database_url, "samples")
        base = f"{api.url}/api/v1/campaigns/{campaign_id}"
        at_start = memory_mb(api.pid, "VmRSS")
        found = {
            f"samples {name}": measure(f"{base}/samples:export", api.pid, format=name) for name in FORMATS
        }
        found["predictions csv"] = measure(f"{base}/predictions:export", api.pid, format="csv")
    worst = float(np.max([line["added_mb"] for line in found.values()]))
    document = {
        "rows": arguments.rows,
        "at_start_mb": at_start,
        "exports": found,
        "worst_added_mb": worst,
        "goal_mb": GOAL_MB,
        "goal_met": worst <= GOAL_MB,
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(document, indent=2))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
