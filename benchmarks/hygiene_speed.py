"""Time and memory of the data hygiene report: `python -m benchmarks.hygiene_speed --output FILE.json`.

Rows like a campaign's: 20 numbers, 4 categories, 1 % exact and 1 % near duplicates, missing values, 100 wild
labels. Three shapes of data: spread out, clustered (where neighbour searches get expensive) and whole numbers
with many ties. The median of three runs each, in one process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

import numpy as np

from service.samples.hygiene import inspect
from service.samples.hygiene_report import HygieneRow

NUMBERS, CATEGORIES = 20, 4
SHAPES = ("spread", "clustered", "tied")


def rows_of(shape: str, count: int, seed: int = 0) -> list[HygieneRow]:
    """`count` rows; deterministic."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(count, NUMBERS))
    if shape == "clustered":
        numbers = 0.02 * numbers + rng.normal(size=(50, NUMBERS))[rng.integers(50, size=count)]
    elif shape == "tied":
        numbers = np.round(numbers)
    missing = rng.random((count, NUMBERS)) < 0.01
    categories = rng.integers(6, size=(count, CATEGORIES))
    chosen = rng.permutation(count)[: 4 * (count // 100)].reshape(4, -1)
    for copy, original, noise in ((chosen[0], chosen[1], 0.0), (chosen[2], chosen[3], 1e-3)):
        numbers[copy] = numbers[original] + noise * rng.normal(size=(copy.size, NUMBERS))
        missing[copy], categories[copy] = missing[original], categories[original]
    labels = 26 + numbers[:, :5].sum(axis=1) + 0.5 * rng.normal(size=count)
    labels[rng.integers(count, size=100)] += 30
    splits = rng.choice(["train", "validation", "holdout"], size=count, p=[0.8, 0.1, 0.1])
    return [
        HygieneRow(
            id=index + 1, external_id=None, split=str(splits[index]), status="labelled", source="test",
            group=f"platform-{index % 500}",
            features={
                **{f"x{j}": None if missing[index, j] else float(numbers[index, j]) for j in range(NUMBERS)},
                **{f"c{j}": f"level {categories[index, j]}" for j in range(CATEGORIES)},
            },
            target=float(labels[index]), label_definition="rolc/1",
        )
        for index in range(count)
    ]  # fmt: skip


def measure(shape: str, count: int, repeats: int = 3) -> dict[str, object]:
    rows = rows_of(shape, count)
    kinds = {f"x{j}": "continuous" for j in range(NUMBERS)} | {
        f"c{j}": "categorical" for j in range(CATEGORIES)
    }
    seconds, cpu_seconds = [], []
    for _ in range(repeats):
        started, cpu_started = time.perf_counter(), time.process_time()
        report = inspect(rows, kinds)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    return {
        "shape": shape,
        "rows": count,
        "median_s": round(statistics.median(seconds), 3),
        "median_cpu_s": round(
            statistics.median(cpu_seconds), 3
        ),  # what it takes on a machine that is not busy
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "counts": report.counts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    arguments = parser.parse_args()
    results = [measure(shape, count) for count in arguments.rows for shape in SHAPES]
    for result in results:
        print(result)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
