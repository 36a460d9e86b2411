"""Which strategy pays? Learning curves of every strategy beside random picks, in four situations.

    python -m benchmarks.acquisition --repetitions 10 --output acquisition.json --plot acquisition.png --markdown

All contestants of a repetition share the rows, the initial set and the initial weights of the networks, which are
trained from scratch after every batch (`worker/acquisition/backtest`). `random` is the mean of three draws. Among the
others, `near_target` is the simple baseline that any strategy which knows the target domain has to beat.

Results are written after every repetition; `--resume` goes on with what the output file has. What the situations are
stands in `acquisition_scenarios.py`, what the figures are in `acquisition_tables.py`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.acquisition_scenarios import DATASETS, SCENARIOS, Scenario, draw_scenario
from benchmarks.acquisition_tables import markdown, plot
from benchmarks.protocol import BenchmarkError
from benchmarks.report import describe_machine, stored_records, write_results
from worker.acquisition.backtest.problem import BacktestConfig
from worker.acquisition.backtest.replay import Contestant, play_repeat
from worker.acquisition.strategies import STRATEGIES
from worker.device import use_threads

BATCH_SIZE, ROUNDS = 20, 4
INITIAL = (50, 100)
FROM_ALL_STARTS = ("same", "shifted")  # the others are played from the largest initial set only
_CELL = ("dataset", "scenario", "initial", "repetition")

Record = dict[str, Any]


def measure(
    dataset: str, scenario: Scenario, initial: int, repetition: int, arguments: argparse.Namespace
) -> list[Record]:
    """The courses of all contestants on one draw."""
    draw = draw_scenario(dataset, scenario, initial=initial, seed=repetition, folder=arguments.data)
    config = BacktestConfig(
        strategies=tuple(name for name in arguments.strategies if name != "random"),
        initial=initial,
        batch_size=BATCH_SIZE,
        rounds=ROUNDS,
        seed=repetition,
        budget=draw.batch_budget,
        label_precision="lossval" if scenario == "label_noise" else "equal",
        steps=arguments.steps,
    )
    played = play_repeat(draw.data, config, draw.split, repetition, lambda _share: None)
    cell = dict(zip(_CELL, (dataset, scenario, initial, repetition), strict=True))
    return [cell | _course(one) for one in played]


def _course(one: Contestant) -> Record:
    return {"strategy": one.name, "draw": one.draw, "course": [asdict(standing) for standing in one.course]}


def run(arguments: argparse.Namespace, records: list[Record]) -> Iterator[list[Record]]:
    """Measure what `records` lack; yields them after every draw, one repetition of everything after another."""
    known = {tuple(record[name] for name in _CELL) for record in records}
    situations = [
        (scenario, initial)
        for scenario, initial in itertools.product(arguments.scenarios, arguments.initial)
        if scenario in FROM_ALL_STARTS or initial == max(arguments.initial)
    ]
    repetitions = range(arguments.first, arguments.first + arguments.repetitions)
    cells = itertools.product(repetitions, situations, arguments.datasets)
    for repetition, (scenario, initial), dataset in cells:
        if (dataset, scenario, initial, repetition) in known:
            continue
        start = time.perf_counter()
        records += measure(dataset, scenario, initial, repetition, arguments)
        seconds = time.perf_counter() - start
        print(
            f"repetition {repetition + 1}: {scenario}, {dataset}, {initial}: {seconds:.0f} s", file=sys.stderr
        )
        yield records


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted(STRATEGIES)
    parser.add_argument("--data", type=Path, help="folder with pools/ (../shared/data)")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, metavar="NAME")
    parser.add_argument("--strategies", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--scenarios", nargs="+", default=SCENARIOS, choices=SCENARIOS)
    parser.add_argument("--initial", nargs="+", type=int, default=INITIAL, help="labelled rows at the start")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first repetition: to share the work"
    )
    parser.add_argument("--steps", type=int, default=300, help="most optimiser steps of a training")
    parser.add_argument("--output", type=Path, help="JSON results")
    parser.add_argument("--resume", action="store_true", help="keep what the output file has")
    parser.add_argument("--plot", type=Path, help="learning curves as PNG, PDF or SVG")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    use_threads(1)
    try:
        records = stored_records(arguments.output, resume=arguments.resume)
        for done in run(arguments, records):
            write_results(arguments.output, {"records": done, "machine": describe_machine()})
        if not records:
            raise BenchmarkError("nothing was measured; ask for at least one repetition")
        if arguments.plot:
            plot(records, arguments.plot)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print(markdown(records) if arguments.markdown else f"{len(records)} courses")
    return 0


if __name__ == "__main__":
    sys.exit(main())
