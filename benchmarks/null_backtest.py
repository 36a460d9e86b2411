"""Does a backtest find what is not there? Verdicts on data whose targets are permuted, and on the same data as it is.

    python -m benchmarks.null_backtest --draws 100 --output null.json

Every draw generates labelled rows and a shifted target domain, permutes the targets, and runs one backtest of all
strategies: nothing can be learnt, so a verdict `better` is wrong. `beside 0` counts the intervals that lie below 0
even though the surrogate has learnt nothing: strategies whose networks overfit less than random picks' do. `in
common` is the variance that the repeats of a draw share, as a share of that between them (`common_share`).
As a control, a part of the draws is run with its true targets. Small networks and few repeats: the rule that gives
verdicts is the product's, the size is not. Shares with 95 % Wilson intervals; a draw's verdicts are not independent,
so the share of draws with any `better` is given too.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest

from benchmarks.protocol import BenchmarkError
from benchmarks.report import describe_machine, write_results
from worker.acquisition.backtest import BacktestConfig, BacktestData, BacktestReport, run_backtest
from worker.acquisition.backtest.problem import LEAST_REPEATS
from worker.acquisition.evidence import Verdict
from worker.acquisition.strategies import STRATEGIES

_ROWS, _TARGET_ROWS, _FEATURES = 120, 60, 6
_COMPARED = tuple(name for name in STRATEGIES if name not in {"random", "auto"})

Record = dict[str, Any]


def make_data(seed: int, *, permuted: bool) -> BacktestData:
    """A curved function of normal features; the target domain is shifted by one standard deviation in two."""
    rng = np.random.default_rng([seed, 0])
    X = rng.standard_normal((_ROWS, _FEATURES))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + X[:, 3] + np.abs(X[:, 4]) + 0.2 * rng.standard_normal(_ROWS)
    shift = np.array([1.0, 1.0, *[0.0] * (_FEATURES - 2)])
    return BacktestData(
        X=X,
        y=rng.permutation(y) if permuted else y,
        acquisition_cost=np.ones(_ROWS),
        source=np.zeros(_ROWS, dtype=np.int64),
        target=rng.standard_normal((_TARGET_ROWS, _FEATURES)) + shift,
    )


def make_config(seed: int, strategies: Sequence[str], repeats: int) -> BacktestConfig:
    return BacktestConfig(
        strategies=tuple(strategies),
        initial=30,
        batch_size=10,
        rounds=2,
        repeats=repeats,
        seed=seed,
        label_precision="equal",
        random_draws=1,
        members=4,
        hidden=(16, 16),
        steps=80,
        sketch_dimension=64,
    )


def record_of(report: BacktestReport, seed: int, *, permuted: bool) -> Record:
    return {
        "seed": seed,
        "permuted": permuted,
        "verdicts": {one.strategy: one.verdict.value for one in report.strategies},
        "beside_0": [one.strategy for one in report.strategies if one.interval and one.interval[1] < 0],
        "log_ratios": {one.strategy: one.log_ratios for one in report.strategies},
    }


def share(hits: Iterable[bool]) -> str:
    """Share with its Wilson interval."""
    flags = list(hits)
    interval = binomtest(sum(flags), len(flags)).proportion_ci(0.95, method="wilson")
    return f"{np.mean(flags):.3f} ({interval.low:.3f} to {interval.high:.3f}) of {len(flags)}"


def common_share(records: Sequence[Record]) -> float:
    """What the repeats of a backtest have in common, as a share of the variance between them.

    Analysis of variance: the variance of the mean log ratios between draws, minus what so many repeats leave by
    chance, over the mean variance within draws; averaged over the strategies. 0 = repeats are as good as independent.
    """
    shares = []
    for strategy in records[0]["log_ratios"]:
        ratios = np.array([record["log_ratios"][strategy] for record in records])
        within = ratios.var(axis=1, ddof=1).mean()
        shares.append(ratios.mean(axis=1).var(ddof=1) / within - 1.0 / ratios.shape[1])
    return float(np.mean(shares))


def markdown(records: Sequence[Record]) -> str:
    lines = [
        "| targets | verdicts `better` | draws with any | intervals beside 0 | verdicts `worse` | in common |",
        "|---|---|---|---|---|---|",
    ]
    for permuted, word in ((True, "permuted"), (False, "true")):
        own = [record for record in records if record["permuted"] is permuted]
        if not own:
            continue
        better = [[v == Verdict.BETTER for v in record["verdicts"].values()] for record in own]
        beside = [name in record["beside_0"] for record in own for name in record["verdicts"]]
        worse = [v == Verdict.WORSE for record in own for v in record["verdicts"].values()]
        cells = [
            share(itertools.chain.from_iterable(better)),
            share(map(any, better)),
            share(beside),
            share(worse),
            f"{common_share(own):.3f}" if len(own) > 1 else "-",
        ]
        lines.append(f"| {word} | {' | '.join(cells)} |")
    return "\n".join(lines)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=100, help="with permuted targets")
    parser.add_argument("--controls", type=int, default=20, help="with true targets")
    parser.add_argument("--repeats", type=int, default=5, help="of each backtest, at least 5")
    parser.add_argument("--strategies", nargs="+", default=_COMPARED, choices=_COMPARED, metavar="NAME")
    parser.add_argument("--output", type=Path, help="JSON results")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    torch.set_num_threads(1)
    records: list[Record] = []
    try:
        if arguments.draws < 1 or arguments.controls < 0 or arguments.repeats < LEAST_REPEATS:
            raise BenchmarkError("nothing to measure; ask for at least one draw of 5 repeats")
        tasks = [(seed, True) for seed in range(arguments.draws)]
        tasks += [(seed, False) for seed in range(arguments.controls)]
        for done, (seed, permuted) in enumerate(tasks, start=1):
            report = run_backtest(
                make_data(seed, permuted=permuted), make_config(seed, arguments.strategies, arguments.repeats)
            )
            records.append(record_of(report, seed, permuted=permuted))
            print(f"{done} of {len(tasks)} backtests", file=sys.stderr)
            write_results(arguments.output, {"records": records, "machine": describe_machine()})
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print(markdown(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
