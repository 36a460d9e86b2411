"""How long does each method take for n training samples? Medians, side by side in one process.

    python -m benchmarks.runtime --sizes 500 1000 2000 4000 --output runtime.json --plot runtime.png

Generated regression data (10 features, 100 validation rows), one draw per size; the repetitions go round all
methods, so that a busy minute of the machine hits all of them. `exponent` is the slope of log time over log n
between the two largest sizes: 1 = linear.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants import CONTESTANTS, contestant
from benchmarks.plots import draw_line, new_figure, save
from benchmarks.protocol import VALIDATION_ROWS, BenchmarkError
from benchmarks.report import describe_machine, write_results
from worker.lossval.problem import ValuationProblem

_FEATURES = 10

Times = dict[str, dict[int, list[float]]]


def make_problem(n: int) -> ValuationProblem:
    """A curved function of five of ten normal features."""
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n + VALIDATION_ROWS, _FEATURES))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + X[:, 3] + np.abs(X[:, 4])
    y += 0.2 * rng.standard_normal(len(y))
    y = (y - y[:n].mean()) / y[:n].std()
    return ValuationProblem(X[:n], y[:n], X[n:], y[n:], "regression")


def measure(methods: Sequence[str], sizes: Sequence[int], repetitions: int) -> Times:
    """Seconds of every repetition; a first, small call of each method is not counted."""
    times: Times = {method: {n: [] for n in sizes} for method in methods}
    for method in methods:
        contestant(method)(make_problem(100))
    for n in sizes:
        problem = make_problem(n)
        for _ in range(repetitions):
            for method in methods:
                start = time.perf_counter()
                contestant(method)(problem)
                times[method][n].append(time.perf_counter() - start)
        print(f"{n} samples measured", file=sys.stderr)
    return times


def exponent(times: Times, method: str) -> float:
    """Slope of log time over log n between the two largest sizes; NaN with one size."""
    sizes = sorted(times[method])[-2:]
    if len(sizes) < 2:
        return math.nan
    small, large = (statistics.median(times[method][n]) for n in sizes)
    return math.log(large / small) / math.log(sizes[1] / sizes[0])


def markdown(times: Times, sizes: Sequence[int]) -> str:
    lines = [
        f"| method | {' | '.join(f'{n} samples, s' for n in sizes)} | exponent |",
        f"| {' | '.join(['---'] * (len(sizes) + 2))} |",
    ]
    for method, of_method in times.items():
        cells = [f"{statistics.median(of_method[n]):.3f}" for n in sizes]
        lines.append(f"| {method} | {' | '.join(cells)} | {exponent(times, method):.2f} |")
    return "\n".join(lines)


def plot(times: Times, path: Path) -> None:
    figure, axes = new_figure(1, 1)
    for method, of_method in times.items():
        seconds = [statistics.median(of_method[n]) for n in of_method]
        draw_line(axes[0][0], list(of_method), seconds, CONTESTANTS.index(method), method)
    axes[0][0].set(xlabel="training samples", ylabel="seconds", xscale="log", yscale="log")
    save(figure, axes, path)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=CONTESTANTS, choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=(500, 1000, 2000, 4000))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON results")
    parser.add_argument("--plot", type=Path, help="PNG, PDF or SVG")
    arguments = parser.parse_args(argv)
    try:
        if arguments.repetitions < 1 or min(arguments.sizes) < 100:
            raise BenchmarkError("nothing to measure; ask for at least one repetition and 100 samples")
        sizes = sorted(set(arguments.sizes))
        times = measure(arguments.methods, sizes, arguments.repetitions)
        write_results(arguments.output, _results(times))
        if arguments.plot:
            plot(times, arguments.plot)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print(markdown(times, sizes))
    return 0


def _results(times: Times) -> dict[str, Any]:
    methods = {
        method: {
            "seconds": of_method,
            "median": {n: statistics.median(seconds) for n, seconds in of_method.items()},
            "exponent": exponent(times, method),
        }
        for method, of_method in times.items()
    }
    return {"methods": methods, "machine": describe_machine()}


if __name__ == "__main__":
    sys.exit(main())
