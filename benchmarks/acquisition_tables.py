"""Tables and learning curves of the acquisition benchmark.

- *log ratio*: log(RMSE / RMSE of random picks), averaged over the batches (at equal spending, see
  `worker/acquisition/backtest/statistics.py`) and the data sets; lower is better, -0.1 is about 10 % less error.
- interval: 95 % Student over the repetitions, which are independent draws. Data sets are what was asked for, no sample
  of anything, so they are averaged first.
- p: Wilcoxon signed-rank test, two-sided, over data sets and repetitions, not corrected for the number of strategies.
- *saved*: labels (with prices: money) not needed for the lowest error that both mean curves reach, as a share of what
  random picks bought; mean over the data sets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.plots import draw_line, new_figure, save
from benchmarks.protocol import Matrix
from benchmarks.statistics import mean_and_interval
from worker.acquisition.backtest.replay import Standing
from worker.acquisition.backtest.statistics import Curves, log_ratios, saved_at_equal_error

RANDOM = "random"
Record = dict[str, Any]
Cell = tuple[str, str, int]  # data set, scenario, initial


def curves_by_cell(records: Sequence[Record]) -> dict[Cell, dict[str, Curves]]:
    """Curves of every strategy over the repetitions; several draws of one (random) are averaged."""
    courses: dict[Cell, dict[str, dict[int, list[list[Standing]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for record in sorted(records, key=lambda one: one["repetition"]):
        cell = record["dataset"], record["scenario"], record["initial"]
        course = [Standing(**standing) for standing in record["course"]]
        courses[cell][record["strategy"]][record["draw"]].append(course)
    return {
        cell: {
            name: Curves.mean([Curves.of(found) for found in draws.values()]) for name, draws in named.items()
        }
        for cell, named in courses.items()
    }


def markdown(records: Sequence[Record]) -> str:
    """One table per situation: all strategies, data set by data set and over all."""
    found = curves_by_cell(records)
    situations = dict.fromkeys((scenario, initial) for _, scenario, initial in found)
    return "\n\n".join(_table(found, *situation) for situation in situations)


def _table(found: dict[Cell, dict[str, Curves]], scenario: str, initial: int) -> str:
    cells = [cell for cell in found if cell[1:] == (scenario, initial)]
    datasets = [cell[0] for cell in cells]
    names = [name for name in found[cells[0]] if name != RANDOM]
    rows = {name: [log_ratios(found[cell][name], found[cell][RANDOM]) for cell in cells] for name in names}
    repetitions = len(found[cells[0]][RANDOM].labels)
    head = ["strategy", "mean log ratio", "p", "saved", *datasets]
    lines = [
        f"**{scenario}, {initial} labels at the start, {repetitions} repetitions**\n",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    for name in sorted(names, key=lambda one: float(np.mean(rows[one]))):
        saved = [_saved(found[cell][name], found[cell][RANDOM], scenario) for cell in cells]
        lines.append(f"| {name} | {_summary(rows[name])} | {np.mean(saved):.0%} | {_means(rows[name])} |")
    return "\n".join(lines)


def _summary(ratios: Sequence[Matrix]) -> str:
    """Mean over data sets with its interval over repetitions, and p."""
    everything = np.concatenate(ratios)
    p = wilcoxon(everything).pvalue if everything.any() else 1.0
    return f"{mean_and_interval(np.mean(ratios, axis=0).tolist())} | {p:.2g}"


def _means(ratios: Sequence[Matrix]) -> str:
    return " | ".join(f"{one.mean():+.3f}" for one in ratios)


def _saved(own: Curves, random: Curves, scenario: str) -> float:
    by = "money" if scenario == "prices" else "labels"
    bought, random_bought = (getattr(one, by).mean(axis=0) for one in (own, random))
    errors = (one.log_rmse.mean(axis=0) for one in (own, random))
    return saved_at_equal_error(bought - bought[0], random_bought - random_bought[0], *errors)[1]


def plot(records: Sequence[Record], path: Path) -> None:
    """RMSE against labels (with prices: money), a row per situation and a column per data set."""
    found = curves_by_cell(records)
    situations = list(dict.fromkeys(cell[1:] for cell in found))
    datasets = list(dict.fromkeys(cell[0] for cell in found))
    names = sorted({name for curves in found.values() for name in curves}, key=lambda name: name != RANDOM)
    figure, axes = new_figure(len(situations), len(datasets))
    for (dataset, *situation), curves in found.items():
        area = axes[situations.index(tuple(situation))][datasets.index(dataset)]
        by = "money" if situation[0] == "prices" else "labels"
        for name, curve in curves.items():
            x, y = getattr(curve, by).mean(axis=0), np.exp(curve.log_rmse.mean(axis=0))
            draw_line(area, x.tolist(), y.tolist(), names.index(name), name)
        area.set(title=f"{dataset}: {situation[0]}, {situation[1]}", xlabel=by, ylabel="RMSE")
    save(figure, axes, path)
