"""Are the most valuable samples worth the most? Test error of a plain network on the highest- or lowest-valued part.

    python -m benchmarks.point_removal --repetitions 5 --output removal.json --plot removal.png

One network per kept share and direction is trained on the highest-valued and on the lowest-valued samples of a
noisy draw, without weights, and tested on the clean test rows. That gives the four curves of the literature
(Ghorbani and Zou, ICML 2019; OpenDataVal): keeping the highest-valued x % is both adding the best first and
removing the worst first up to 100 - x %; keeping the lowest-valued x % is the other pair. A good method has a
low error on the highest-valued part and a high one on the lowest-valued part; `gap` is the mean difference of the
two over the shares, higher = better, 0 = chance.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from benchmarks.contestants import CONTESTANTS, contestant, to_be_valued
from benchmarks.noise_detection import DATASETS
from benchmarks.plots import draw_line, new_figure, save
from benchmarks.protocol import BenchmarkError, Dataset, Flags, Matrix, Noise, Problem, draw, load_dataset
from benchmarks.report import describe_machine, write_results
from benchmarks.statistics import estimate
from worker.lossval.config import LossValConfig
from worker.lossval.losses import cross_entropy, squared_error
from worker.lossval.network import EnsembleNetwork

KEPT = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_STEPS = 200

Record = dict[str, Any]


def errors_on_test_rows(problem: Problem, kept: Flags, seed: int) -> list[float]:
    """Test error of one plain network per row of `kept`, all trained in one batched pass.

    Args:
        problem: the draw.
        kept: (K, n) True where a network trains on a sample; at least one per row.
        seed: of the initial weights, the same for every method.

    Returns:
        K mean squared errors in units of the target's variance, or error rates; lower = better network.
    """
    generator = torch.Generator().manual_seed(seed)
    regression = problem.task == "regression"
    loss = squared_error if regression else cross_entropy
    classes = 1 if regression else int(max(problem.y_train.max(), problem.y_test.max())) + 1
    settings = LossValConfig()
    # One initialisation for all members: they differ by their samples alone.
    first = EnsembleNetwork(1, problem.X_train.shape[1], settings.hidden, classes, generator=generator)
    network = EnsembleNetwork(
        len(kept), problem.X_train.shape[1], settings.hidden, classes, generator=generator
    )
    network.load_state_dict(
        {name: w.expand_as(network.state_dict()[name]) for name, w in first.state_dict().items()}
    )
    X = torch.from_numpy(problem.X_train).float()
    y = torch.from_numpy(problem.y_train).to(torch.float32 if regression else torch.int64)
    mask = torch.from_numpy(kept)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay_for(len(X))
    )
    for _ in range(_STEPS):
        optimizer.zero_grad(set_to_none=True)
        ((loss(network(X), y) * mask).sum(dim=1) / mask.sum(dim=1)).sum().backward()
        optimizer.step()
    return _errors(network, problem)


@torch.no_grad()
def _errors(network: EnsembleNetwork, problem: Problem) -> list[float]:
    outputs = network(torch.from_numpy(problem.X_test).float()).double()
    y = torch.from_numpy(problem.y_test)
    if problem.task == "regression":
        return [float(error) for error in (outputs.squeeze(-1) - y).square().mean(dim=1)]
    return [float(error) for error in (outputs.argmax(dim=-1) != y).double().mean(dim=1)]


def kept_samples(values: Matrix) -> Flags:
    """(2 S + 1, n) flags: the highest-valued, the lowest-valued shares `KEPT`, and all samples."""
    order = np.argsort(-values, kind="stable")
    flags = np.zeros((2 * len(KEPT) + 1, len(values)), dtype=bool)
    for row, share in enumerate(KEPT):
        count = round(share * len(values))
        flags[row, order[:count]] = True
        flags[len(KEPT) + row, order[len(values) - count :]] = True
    flags[-1] = True
    return flags


def measure(dataset: Dataset, noise: Noise, rate: float, repetition: int, method: str) -> Record:
    """Curves of one method on one draw."""
    problem = draw(dataset, noise, rate, repetition)
    values = contestant(method)(to_be_valued(problem), seed=repetition).values
    *errors, everything = errors_on_test_rows(problem, kept_samples(values), repetition)
    highest, lowest = errors[: len(KEPT)], errors[len(KEPT) :]
    return {
        "dataset": dataset.name,
        "task": dataset.task,
        "noise": noise,
        "rate": rate,
        "repetition": repetition,
        "method": method,
        "highest": highest,
        "lowest": lowest,
        "all": everything,
        "gap": float(np.mean(lowest) - np.mean(highest)),
        "best_removal": float(min(highest) - everything),
    }


def run(arguments: argparse.Namespace) -> Iterator[list[Record]]:
    """All records so far, after every draw."""
    datasets = [load_dataset(name, arguments.data) for name in arguments.datasets]
    records: list[Record] = []
    for repetition, dataset in itertools.product(range(arguments.repetitions), datasets):
        records += [
            measure(dataset, arguments.noise, arguments.rate, repetition, method)
            for method in arguments.methods
        ]
        print(f"repetition {repetition + 1}: {dataset.name}", file=sys.stderr)
        yield records


def markdown(records: Sequence[Record]) -> str:
    """Gap and the best change of the test error by removing low-valued samples, per data set."""
    datasets = list(dict.fromkeys(record["dataset"] for record in records))
    lines = [
        "Gap of the test error between the lowest- and the highest-valued part (higher = better), and in brackets "
        "the change of the test error at the best share of removed low-valued samples (negative = better than "
        f"training on everything); mean ± 95 % interval over {len({r['repetition'] for r in records})} repetitions.",
        "",
        f"| method | {' | '.join(datasets)} |",
        f"| {' | '.join(['---'] * (len(datasets) + 1))} |",
    ]
    for method in dict.fromkeys(record["method"] for record in records):
        cells = []
        for dataset in datasets:
            own = [r for r in records if r["method"] == method and r["dataset"] == dataset]
            cells.append(f"{estimate(own, 'gap')} ({estimate(own, 'best_removal').mean:+.3f})")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(records: Sequence[Record], path: Path) -> None:
    """Per data set: error on the highest-valued share (above) and on the lowest-valued share (below)."""
    datasets = list(dict.fromkeys(record["dataset"] for record in records))
    figure, axes = new_figure(2, len(datasets))
    for column, dataset in enumerate(datasets):
        for row, part in enumerate(("highest", "lowest")):
            panel = axes[row][column]
            for method in dict.fromkeys(record["method"] for record in records):
                own = [r for r in records if r["method"] == method and r["dataset"] == dataset]
                curve = np.mean([[*r[part], r["all"]] for r in own], axis=0)
                draw_line(panel, [*KEPT, 1.0], curve, CONTESTANTS.index(method), method)
            panel.set(title=f"{dataset}, {part}-valued kept", xlabel="kept share", ylabel="test error")
    save(figure, axes, path)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with noise/ and pools/ (../shared/data)")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=CONTESTANTS, choices=CONTESTANTS, metavar="NAME")
    parser.add_argument("--noise", default="mixed", choices=get_args(Noise))
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--output", type=Path, help="JSON results")
    parser.add_argument("--plot", type=Path, help="curves as PNG, PDF or SVG")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    records: list[Record] = []
    try:
        if arguments.repetitions < 1:
            raise BenchmarkError("nothing to measure; ask for at least one repetition")
        for records in run(arguments):
            results = {"kept": KEPT, "records": records, "machine": describe_machine()}
            write_results(arguments.output, results)
        if arguments.plot:
            plot(records, arguments.plot)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print(markdown(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
