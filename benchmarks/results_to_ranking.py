"""From new results to the new ranking, on a whole stack: `python -m benchmarks.results_to_ranking`.

Engines (durable), API, one worker and the clock run as `crashscout serve` runs them. A campaign of the occupant model
has 980 labelled samples and 10,000 candidates; then 20 new results come in, a round is started, and the clock runs
until its recommendations can be read over HTTP: freeze, valuation by LossVal, surrogate, ranking, proposal. Goal: 60 s.
On a busy machine the figure is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from service.settings import Settings
from service.stack import free_port, running_stack
from worker.demo.data import Sizes, campaign_document, make_data

GOAL_S = 60.0
API = "/api/v1"
HOST = "127.0.0.1"
RESULTS = 20
ENDS_WITHIN_S = 1800.0
SIZES = Sizes(historic_tests=640, target_tests=40, simulations=400, candidates=10_600)


def rows(labels: int, candidates: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All rows that are there before, and the labelled ones that come in last; exactly so many labels to train on."""
    found = make_data(0, SIZES).rows
    labelled = [row for row in found if "target" in row and row.get("split", "train") == "train"][:labels]
    pool = [row for row in found if "target" not in row][:candidates]
    others = [row for row in found if "target" in row and row.get("split", "train") != "train"]
    assert len(labelled) == labels
    assert len(pool) == candidates
    return labelled[:-RESULTS] + pool + others, labelled[-RESULTS:]


def measure(client: httpx.Client, labels: int, candidates: int) -> dict[str, Any]:
    before, results = rows(labels, candidates)
    document = campaign_document("results to ranking")
    campaign = f"{API}/campaigns/{_sent(client, f'{API}/campaigns', document)['id']}"
    _sent(client, f"{campaign}/samples:bulk", {"samples": before})
    start = time.perf_counter()
    _sent(client, f"{campaign}/samples:bulk", {"samples": results})
    round_url = f"{API}/rounds/{_sent(client, f'{campaign}/rounds', {})['id']}"
    steps = _follow(client, round_url, start)
    round_ = client.get(round_url).raise_for_status().json()
    answer = client.get(f"{API}/acquisition-rounds/{round_['acquisition_round_id']}/recommendations")
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "recommendations": len(answer.raise_for_status().json()["items"]),
        "steps_s": steps,
    }


def _sent(client: httpx.Client, url: str, document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post(url, json=document).raise_for_status().json()
    return found


def _follow(client: httpx.Client, url: str, start: float) -> dict[str, float]:
    """Seconds until each step was seen, up to the one in which decisions are waited for."""
    seen: dict[str, float] = {}
    while time.perf_counter() - start < ENDS_WITHIN_S:
        round_ = client.get(url).raise_for_status().json()
        seen.setdefault(round_["step"], time.perf_counter() - start)
        if round_["step"] == "decide":
            return seen
        if round_["step"] in {"close", "closed"}:
            raise SystemExit(f"The round ended: {round_['closed_reason']}, {round_['detail']}")
        time.sleep(0.2)
    raise SystemExit(f"No ranking within {ENDS_WITHIN_S:.0f} s; steps so far: {seen}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crashscout-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the engines may run as another user
        settings = Settings(_env_file=None, data_dir=folder)
        with (
            running_stack(settings, data_folder=folder, host=HOST, port=free_port(), announce=print) as stack,
            httpx.Client(base_url=stack.url, timeout=600) as client,
        ):
            result = measure(client, arguments.labels, arguments.candidates)
    result |= {
        "labels": arguments.labels,
        "candidates": arguments.candidates,
        "goal_s": GOAL_S,
        "goal_met": result["seconds"] <= GOAL_S,
        "load_average": os.getloadavg(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
