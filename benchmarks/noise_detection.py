"""Which method finds planted noise? F1, ROC-AUC and corruption discovery of every method, beside the paper's F1.

    python -m benchmarks.noise_detection --repetitions 10 --output noise.json --plot noise.png --markdown

All methods see the same draws: repetition r of a data set, noise kind and rate is one draw, and r also seeds the
methods. Discovery is the share of the corrupt rows among the lowest-valued x % of all rows. Results are written
after every draw; `--resume` goes on with what the output file already has (delete a method's figures from it with
`--rerun`), so a finished file with `--resume --markdown` only prints its tables.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.contestants import CONTESTANTS, contestant, to_be_valued
from benchmarks.noise_tables import markdown, plot
from benchmarks.protocol import (
    NOISE_RATES,
    BenchmarkError,
    Dataset,
    Flags,
    Matrix,
    Noise,
    auc,
    draw,
    f1_of_lowest_cluster,
    load_dataset,
)
from benchmarks.report import describe_machine, stored_records, write_results

DATASETS = ("2dplanes", "fried", "kin8nm", "white_wine")
INSPECTED = tuple(round(0.05 * step, 2) for step in range(1, 21))
_CELL = ("dataset", "noise", "rate", "repetition", "method")

Record = dict[str, Any]


def discovery(values: Matrix, corrupt: Flags) -> list[float]:
    """Share of the corrupt rows among the lowest-valued rows, for each of the shares `INSPECTED` of all rows."""
    found = np.cumsum(corrupt[np.argsort(values, kind="stable")]) / corrupt.sum()
    return [float(found[round(share * len(values)) - 1]) for share in INSPECTED]


def measure(dataset: Dataset, noise: Noise, rate: float, repetition: int, method: str) -> Record:
    """Figures of one method on one draw."""
    problem = draw(dataset, noise, rate, repetition)
    start = time.perf_counter()
    values = contestant(method)(to_be_valued(problem), seed=repetition).values
    return {
        "dataset": dataset.name,
        "task": dataset.task,
        "noise": noise,
        "rate": rate,
        "repetition": repetition,
        "method": method,
        "f1": f1_of_lowest_cluster(values, problem.corrupt),
        "auc": auc(values, problem.corrupt),
        "discovery": discovery(values, problem.corrupt),
        "seconds": time.perf_counter() - start,
    }


def run(arguments: argparse.Namespace, records: list[Record]) -> Iterator[list[Record]]:
    """Measure what `records` lack; yields them after every draw, one repetition of everything after another."""
    datasets = [load_dataset(name, arguments.data) for name in arguments.datasets]
    known = {tuple(record[name] for name in _CELL) for record in records}
    cells = itertools.product(range(arguments.repetitions), datasets, arguments.noise, arguments.rates)
    for repetition, dataset, noise, rate in cells:
        missing = [
            method
            for method in arguments.methods
            if (dataset.name, noise, rate, repetition, method) not in known
        ]
        if missing:
            records += [measure(dataset, noise, rate, repetition, method) for method in missing]
            print(f"repetition {repetition + 1}: {dataset.name}, {noise} noise {rate:.0%}", file=sys.stderr)
            yield records


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with noise/ and pools/ (../shared/data)")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=CONTESTANTS, choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--noise", nargs="+", default=get_args(Noise), choices=get_args(Noise))
    parser.add_argument("--rates", nargs="+", type=float, default=NOISE_RATES)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--output", type=Path, help="JSON results")
    parser.add_argument("--resume", action="store_true", help="keep what the output file has")
    parser.add_argument("--rerun", nargs="+", default=(), choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--plot", type=Path, help="corruption discovery curves as PNG, PDF or SVG")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    try:
        stored = stored_records(arguments.output, resume=arguments.resume)
        records = [record for record in stored if record["method"] not in arguments.rerun]
        for done in run(arguments, records):
            results = {"inspected": INSPECTED, "records": done, "machine": describe_machine()}
            write_results(arguments.output, results)
        if not records:
            raise BenchmarkError("nothing was measured; ask for at least one repetition")
        if arguments.plot:
            plot(records, INSPECTED, arguments.plot)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print(markdown(records) if arguments.markdown else f"{len(records)} results")
    return 0


if __name__ == "__main__":
    sys.exit(main())
