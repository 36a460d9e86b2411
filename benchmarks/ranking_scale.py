"""Time and memory of a ranking, from the rows in Postgres to the stored batch and ranking.

    python -m benchmarks.ranking_scale --output results/ranking_scale.json

For each size a campaign of the occupant model with 360 labelled samples and so many candidates goes into a real
Postgres (COPY), a surrogate is trained, and a worker process of its own ranks a batch of 20 under a budget: loads,
ranks, stores. Its phases, its peak resident memory and the time for each candidate are printed. Goals: 100,000
candidates in 10 s; 1,000,000 in 100 s and 2 GiB on 2 cores. On a busy machine the figures are upper bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import make_url
from sqlalchemy.orm import Session, sessionmaker

from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import AcquisitionConfiguration, AcquisitionRequest
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignCreate
from service.database.bulk import copy_rows
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.database.migrate import upgrade
from service.database.models import AcquisitionRound, Campaign, Sample, Surrogate, ValuationRun
from service.embedded import EmbeddedEngines
from service.lifecycles import RunStatus
from service.samples import service as samples
from service.samples.schemas import OnError
from service.settings import get_settings
from service.valuations import repository as valuations
from worker import process
from worker.advice import advice_for
from worker.demo.data import Sizes, campaign_document, make_data
from worker.device import choose_device, use_threads
from worker.loading import load_snapshot
from worker.lossval.encoding import FeatureEncoder
from worker.lossval.fitting import fit_surrogate
from worker.rounds import rank_snapshot
from worker.simulation import sample_fleet
from worker.storing import campaign_of, freeze, load_surrogate, store_ranking
from worker.tasks.lifecycle import ActiveRun, execute

GOALS_S = {100_000: 10.0, 1_000_000: 100.0}
GOAL_GIB = 2.0
SIZES = [10_000, 100_000, 1_000_000]
COPIED_ROWS = 50_000  # in a statement
BATCH_SIZE = 20
CONDITION = {"feature": "test_mass_kg", "minimum": 2100}
COLUMNS = ("campaign_id", "source_id", "status", "split", "group_name", "planned_features", "provenance")


def prepare(sessions: sessionmaker[Session], size: int, stored_rows: int) -> int:
    """A campaign with a surrogate, `size` candidates and a round that waits; the round's id."""
    data = make_data(0, Sizes(candidates=200))
    with unit_of_work(sessions) as session:
        document = campaign_document(f"{size} candidates") | {"target_domain": {"conditions": [CONDITION]}}
        campaign = campaigns.create(session, CampaignCreate.model_validate(document), actor="benchmark")
        samples.create_bulk(session, campaign, data.rows, OnError.REJECT_ALL, actor="benchmark")
    insert_candidates(sessions, campaign, size)
    with unit_of_work(sessions) as session:
        campaign = campaigns.get(session, campaign.id)
        add_surrogate(session, campaign)
        configuration = AcquisitionConfiguration(batch_size=BATCH_SIZE, stored_rows=stored_rows)
        request = AcquisitionRequest(configuration=configuration)
        return acquisitions.request_round(session, campaign, request, actor="benchmark").id


def insert_candidates(sessions: sessionmaker[Session], campaign: Campaign, size: int) -> None:
    sources = [source.id for source in campaign.sources]
    rows = candidates(size)
    for start in range(0, size, COPIED_ROWS):
        block = [next(rows) for _ in range(min(COPIED_ROWS, size - start))]
        with unit_of_work(sessions) as session:
            lines = (
                (campaign.id, sources[index % len(sources)], "candidate", "train", group, features, "{}")
                for index, (group, features) in enumerate(block, start)
            )
            copy_rows(session, Sample, COLUMNS, lines)


def candidates(size: int) -> Iterator[tuple[str, str]]:
    """Platform and planned features, as JSON, of designs that all differ: a fleet of 10,000 with other masses."""
    generator = np.random.default_rng(1)
    fleet = sample_fleet(10_000, generator, target_domain=True)
    for _ in range(size):
        design = dict(fleet[int(generator.integers(len(fleet)))])
        group = str(design.pop("platform"))
        design["test_mass_kg"] = round(float(design["test_mass_kg"]) * generator.uniform(0.8, 1.2), 3)
        design["crush_space_mm"] = round(float(design["crush_space_mm"]) * generator.uniform(0.9, 1.1), 3)
        yield group, json.dumps(design)


def add_surrogate(session: Session, campaign: Campaign) -> None:
    """Trained on the labelled samples, each with data weight 1."""
    found = load_snapshot(session, campaign, seed=0)
    encoder = FeatureEncoder.fit(found.features, found.train.rows)
    artefact = fit_surrogate(encoder, found.train.rows, found.train.targets).surrogate.to_bytes()
    run = valuations.add(
        session,
        ValuationRun(
            campaign_id=campaign.id, status=RunStatus.SUCCEEDED, configuration={}, seed=0, data_hash=found.data_hash,
            requested_by="benchmark",
        ),
    )  # fmt: skip
    valuations.add_surrogate(
        session,
        Surrogate(
            campaign_id=campaign.id,
            valuation_run_id=run.id,
            artefact=artefact,
            artefact_sha256="",
            metrics={},
        ),
    )
    session.flush()


def rank_here(round_id: int) -> dict[str, Any]:
    """What the task does, in this process, with a clock between its steps."""
    use_threads(get_settings().worker_threads)
    times = [("start", time.perf_counter(), time.process_time())]

    def passed(phase: str) -> None:
        times.append((phase, time.perf_counter(), time.process_time()))

    def compute(run: ActiveRun) -> None:
        row = run.row
        assert isinstance(row, AcquisitionRound)
        with run.transaction(frozen=True) as session:
            campaign, served = campaign_of(session, row), load_surrogate(session, row)
            snapshot = load_snapshot(session, campaign, seed=row.seed, encoder=served.surrogate.encoder)
            advice = advice_for(session, row)
        with run.transaction() as session:
            freeze(session, row, snapshot, device="cpu")
        passed("load")
        device = choose_device("cpu")
        ranking = rank_snapshot(
            snapshot,
            campaign,
            served,
            row,
            strategy=advice.strategy,
            device=device,
            progress=run.report,
        )
        passed("rank")
        with run.transaction() as session:
            store_ranking(session, row, campaign, snapshot, ranking)
        passed("store")

    resident_at_start = resident_gib("VmRSS")
    execute(AcquisitionRound, round_id, compute, sessions=process.sessions(), settings=get_settings())
    pairs = list(pairwise(times))
    with process.sessions()() as session:
        status = session.get_one(AcquisitionRound, round_id).status
    return {
        "status": status,
        "phases_s": {name: now - before for (_, before, _), (name, now, _) in pairs},
        # what it takes on a machine that is not busy, without what Postgres does
        "phases_processor_s": {name: now - before for (_, _, before), (name, _, now) in pairs},
        "total_s": times[-1][1] - times[0][1],
        "resident_at_start_gib": resident_at_start,
        "peak_resident_gib": resident_gib("VmHWM"),
    }


def resident_gib(name: str) -> float:
    """`VmRSS` or `VmHWM` (its peak) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**20


def rank_apart(database_url: str, round_id: int) -> dict[str, Any]:
    """`rank_here` in a new process, whose memory is that of a worker."""
    environment = os.environ | {"CRASHSCOUT_DATABASE_URL": database_url, "CRASHSCOUT_DEVICE": "cpu"}
    command = [sys.executable, "-m", "benchmarks.ranking_scale", "--round", str(round_id)]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def vacuum(database_url: str, *tables: str) -> None:
    """What the server does by itself some time after so many rows came in."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {', '.join(tables)}")


def measure(database_url: str, size: int, stored_rows: int) -> dict[str, Any]:
    engine = make_engine(database_url)
    start = time.perf_counter()
    round_id = prepare(make_session_factory(engine), size, stored_rows)
    engine.dispose()
    vacuum(database_url, "samples")
    prepared_s = time.perf_counter() - start
    load_average = os.getloadavg()[0]
    found = rank_apart(database_url, round_id)
    goal = GOALS_S.get(size)
    met = goal is None or (found["total_s"] <= goal and found["peak_resident_gib"] <= GOAL_GIB)
    return {
        "candidates": size,
        "stored_rows": stored_rows,
        **found,
        "us_per_candidate": 1e6 * found["total_s"] / size,
        "goal_s": goal,
        "goal_met": met,
        "prepared_s": prepared_s,
        "load_average_before": load_average,
    }


def line_of(result: dict[str, Any]) -> str:
    phases = result["phases_s"]
    return (
        f"{result['candidates']:>10,} {phases['load']:>8.1f} {phases['rank']:>8.1f} {phases['store']:>8.1f} "
        f"{result['total_s']:>8.1f} {sum(result['phases_processor_s'].values()):>8.1f} "
        f"{result['us_per_candidate']:>9.1f} {result['peak_resident_gib']:>9.2f} "
        f"{'yes' if result['goal_met'] else 'NO':>5} {result['load_average_before']:>6.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--stored-rows", type=int, default=1000)
    parser.add_argument("--round", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.round is not None:
        print(json.dumps(rank_here(arguments.round)))
        return
    print("candidates   load s   rank s  store s  total s    cpu s   us/each  peak GiB  goal   load")
    with tempfile.TemporaryDirectory(prefix="crashscout-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the engines may run as another user
        with EmbeddedEngines(folder) as engines:
            upgrade(engines.database_url)
            results = []
            for size in arguments.sizes:
                results.append(measure(engines.database_url, size, arguments.stored_rows))
                print(line_of(results[-1]), flush=True)
    document = {
        "batch_size": BATCH_SIZE,
        "goals_s": GOALS_S,
        "goal_gib": GOAL_GIB,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "results": results,
    }
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    else:
        print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
