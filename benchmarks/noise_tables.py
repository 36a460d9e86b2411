"""Tables and plot of `benchmarks.noise_detection`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.contestants import CONTESTANTS
from benchmarks.plots import draw_line, new_figure, save
from benchmarks.protocol import Noise, Task
from benchmarks.statistics import Estimate, estimate, mean_and_interval

Record = dict[str, Any]

# Mean F1 over the paper's 6 data sets and 4 rates (label, feature, mixed), from the authors' result files.
# LossVal after 30 epochs; regression Data-OOB and LOO had an accuracy of a real-valued target as utility.
PAPER: dict[Task, dict[str, tuple[float, float, float]]] = {
    "classification": {
        "lossval_published": (0.544, 0.204, 0.371),
        "lava": (0.099, 0.329, 0.220),
        "knn_shapley": (0.355, 0.250, 0.298),
        "data_oob": (0.447, 0.203, 0.341),
        "random": (0.193, 0.193, 0.194),
    },
    "regression": {
        "lossval_published": (0.464, 0.256, 0.354),
        "lava": (0.127, 0.415, 0.255),
        "knn_shapley": (0.154, 0.111, 0.132),
        "random": (0.194, 0.193, 0.194),
    },
}
NOISES: tuple[Noise, ...] = get_args(Noise)
REFERENCE = CONTESTANTS[0]


def chosen(records: Sequence[Record], **values: object) -> list[Record]:
    return [record for record in records if all(record[name] == value for name, value in values.items())]


def present(records: Sequence[Record], figure: str, order: Sequence[str]) -> list[str]:
    """Values of a figure that occur, in the given order."""
    found = {record[figure] for record in records}
    return [name for name in order if name in found]


def paired_difference(records: Sequence[Record], method: str, figure: str) -> Estimate:
    """Mean of `figure` of the first LossVal mode minus that of `method`, paired by draw.

    Only draws that both have count; the interval is over the repetitions.
    """
    cell = ("dataset", "noise", "rate", "repetition")
    reference, other = (
        {tuple(r[name] for name in cell): r[figure] for r in chosen(records, method=name)}
        for name in (REFERENCE, method)
    )
    by_repetition: dict[int, list[float]] = {}
    for key in reference.keys() & other.keys():
        by_repetition.setdefault(int(key[3]), []).append(reference[key] - other[key])
    return mean_and_interval([float(np.mean(values)) for _, values in sorted(by_repetition.items())])


def markdown(records: Sequence[Record]) -> str:
    """One table per task: F1 beside the paper's, ROC-AUC, and the paired difference to LossVal."""
    repetitions = len({record["repetition"] for record in records})
    rates = sorted({record["rate"] for record in records})
    lines = [
        f"Mean ± 95 % interval over {repetitions} repetitions; noise on "
        f"{', '.join(f'{rate:.0%}' for rate in rates)} of the rows. `paper`: mean F1 over the paper's six data "
        f"sets. `{REFERENCE} better by`: F1, paired by draw, mean over the noise kinds.",
    ]
    for task in get_args(Task):
        of_task = chosen(records, task=task)
        if of_task:
            lines += ["", *_table(task, of_task)]
    return "\n".join(lines)


def _table(task: Task, records: Sequence[Record]) -> list[str]:
    datasets = sorted({record["dataset"] for record in records})
    noises = present(records, "noise", NOISES)
    header = [
        "method",
        *(column for noise in noises for column in (f"F1 {noise}", "paper")),
        *(f"AUC {noise}" for noise in noises),
        f"{REFERENCE} better by",
    ]
    lines = [
        f"**{task.capitalize()}** ({', '.join(datasets)})",
        "",
        _row(header),
        _row(["---"] * len(header)),
    ]
    for method in present(records, "method", CONTESTANTS):
        own = chosen(records, method=method)
        paper = PAPER[task].get(method)
        cells = [method]
        for noise in noises:
            published = f"{paper[NOISES.index(noise)]:.3f}" if paper else ""
            cells += [str(estimate(chosen(own, noise=noise), "f1")), published]
        cells += [str(estimate(chosen(own, noise=noise), "auc")) for noise in noises]
        difference = paired_difference(records, method, "f1")
        cells.append("" if method == REFERENCE or math.isnan(difference.mean) else str(difference))
        lines.append(_row(cells))
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot(records: Sequence[Record], inspected: Sequence[float], path: Path) -> None:
    """Corruption discovery curves: one panel per task and noise kind, mean over data sets, rates, repetitions."""
    tasks, noises = present(records, "task", get_args(Task)), present(records, "noise", NOISES)
    figure, axes = new_figure(len(tasks), len(noises))
    for row, task in enumerate(tasks):
        for column, noise in enumerate(noises):
            panel = axes[row][column]
            for method in present(records, "method", CONTESTANTS):
                curves = [r["discovery"] for r in chosen(records, task=task, noise=noise, method=method)]
                if curves:
                    x, y = [0.0, *inspected], [0.0, *np.mean(curves, axis=0)]
                    draw_line(panel, x, y, CONTESTANTS.index(method), method)
            panel.set(title=f"{task}, {noise} noise", xlabel="inspected share", ylabel="corrupt rows found")
    save(figure, axes, path)
