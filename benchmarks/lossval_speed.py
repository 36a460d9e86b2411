"""Time of a valuation beside plain training of the same network, in one process, interleaved.

    python -m benchmarks.lossval_speed --output speed.json [--plot speed.png]

What runs, each in turn and several times over, medians reported:

- `plain`: training of the published network (3 x 90, tanh) alone, same minibatches, same Adam, K members batched.
- `published`: mode `published` on it.
- `geomloss`: the published loop as a user would write it, one member, autograd and geomloss (where it is
  installed: the extra `benchmarks`).
- `plain_normalized`, `normalized`: mode `normalized`, and training of its network with its optimiser steps alone.

Then the time and the peak memory of both modes over growing N, and the arithmetic floor: the floating point
operations of a step divided by the rate of this machine's matrix products.

The goals: published at least 10 x faster per member than geomloss; normalized at most 1.25 x plain training;
time linear in N.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.geomloss_loop import train_on_geomloss
from benchmarks.report import describe_machine, write_results
from worker.lossval.config import LossValConfig
from worker.lossval.network import EnsembleNetwork
from worker.lossval.published import PublishedSettings, train_published
from worker.lossval.training import train_lossval

N, VALIDATION, COLUMNS, HIDDEN, MINIBATCH = 1000, 100, 10, 90, 32
LEARNING_RATE = 0.01
Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def make_data(n: int, seed: int = 0) -> Data:
    """Standard normal features, a smooth target, and validation rows of the same distribution."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, COLUMNS))
    y = np.tanh(X[:, 0]) + 0.6 * X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(n)
    return X, (y - y.mean()) / y.std(), rng.standard_normal((VALIDATION, COLUMNS))


def plain_training(data: Data, epochs: int, members: int) -> None:
    """The published network with the mean squared error: same steps, no weights, no transport."""
    X, y = (torch.from_numpy(array).float() for array in data[:2])
    generator = torch.Generator().manual_seed(0)
    network = EnsembleNetwork(
        members, COLUMNS, (HIDDEN, HIDDEN), 1, generator=generator, initialization="linear"
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    for _ in range(epochs):
        order = torch.stack([torch.randperm(len(X), generator=generator) for _ in range(members)])
        for rows in order.split(MINIBATCH, dim=1):
            optimizer.zero_grad()
            (network(X[rows]).squeeze(-1) - y[rows]).square().mean(dim=1).sum().backward()
            optimizer.step()


def plain_normalized(data: Data, config: LossValConfig) -> None:
    """Mode `normalized` without valuation: its network, optimiser and number of steps."""
    X, y = (torch.from_numpy(array).float() for array in data[:2])
    generator = torch.Generator().manual_seed(0)
    network = EnsembleNetwork(config.members, COLUMNS, config.hidden, 1, generator=generator)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay_for(len(X))
    )
    assert config.epochs is not None
    steps = -(-len(X) // config.minibatch_size)
    for _ in range(config.epochs):
        for rows in torch.randperm(len(X), generator=generator).tensor_split(steps):
            optimizer.zero_grad(set_to_none=True)
            (network(X[rows]).squeeze(-1) - y[rows]).square().mean(dim=1).sum().backward()
            optimizer.step()


def interleaved(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[tuple[float, float]]]:
    """(elapsed, processor) seconds of each run, in turns so that a busy moment hits all alike.

    The first round warms up and is not counted. On a busy machine processor seconds are the fairer of the two.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start, processor = time.perf_counter(), time.process_time()
            run()
            if repeat:
                seconds[name].append((time.perf_counter() - start, time.process_time() - processor))
    return seconds


def ratios(median: dict[str, float], members: int) -> dict[str, float]:
    """What the goals are about; geomloss's loop is one member."""
    found = {
        "published_to_plain": median["published"] / median["plain"],
        "normalized_to_plain": median["normalized"] / median["plain_normalized"],
    }
    if "geomloss" in median:
        found["geomloss_to_published_per_member"] = median["geomloss"] * members / median["published"]
    return found


def side_by_side(epochs: int, geomloss_epochs: int, members: int, repeats: int) -> dict[str, Any]:
    """Median seconds for `epochs` epochs, per ensemble and per member, and the ratios of the goals."""
    data = make_data(N)
    settings = PublishedSettings(epochs=epochs, members=members)
    config = LossValConfig(members=members)
    steps = config.epochs or 200
    config = LossValConfig(members=members, epochs=steps)
    runs: dict[str, Callable[[], object]] = {
        "plain": lambda: plain_training(data, epochs, members),
        "published": lambda: train_published(*data, settings=settings),
        "plain_normalized": lambda: plain_normalized(data, config),
        "normalized": lambda: train_lossval(*data, config=config),
    }
    if importlib.util.find_spec("geomloss"):
        runs["geomloss"] = lambda: train_on_geomloss(*data, task="regression", epochs=geomloss_epochs, seed=0)
    else:
        print("geomloss is not installed (extra `benchmarks`): the published loop has no comparison")
    seconds = interleaved(runs, repeats)
    results: dict[str, Any] = {"epochs": epochs, "members": members, "seconds": seconds}
    for index, kind in enumerate(("elapsed", "processor")):
        median = {name: statistics.median(pair[index] for pair in pairs) for name, pairs in seconds.items()}
        if "geomloss" in median:
            median["geomloss"] *= epochs / geomloss_epochs
        results[kind] = {"median_seconds": median, "ratios": ratios(median, members)}
    return results


def matrix_rate(dtype: torch.dtype, repeats: int = 15) -> float:
    """Best floating point operations per second of large matrix products."""
    A = torch.ones(768, 768, dtype=dtype)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(A, A)
        best = min(best, time.perf_counter() - start)
    return 2 * 768**3 / best


def floor(epochs: int, members: int, seconds: float) -> dict[str, float]:
    """Arithmetic of the published loop against the rate of this machine.

    A step of a member: the network forward and backward, 3 x 2 b (d h + h^2 + h) operations; ground costs,
    2 d b (b + m); and each of about 11 transport iterations, two matrix-vector products with the kernel and
    four operations an entry, 8 b (b + m). The last is arithmetic on vectors, far below the rate of matrix
    products; the floor ignores that.
    """
    b, m, d, h = MINIBATCH, VALIDATION, COLUMNS, HIDDEN
    steps = epochs * N / b * members
    network = steps * 6 * b * (d * h + h * h + h)
    transport = steps * (2 * d + 11 * 8) * b * (b + m)
    floor_seconds = network / matrix_rate(torch.float32) + transport / matrix_rate(torch.float64)
    return {
        "network_operations": network,
        "transport_operations": transport,
        "floor_seconds": floor_seconds,
        "times_the_floor": seconds / floor_seconds,
    }


def scaling(sizes: list[int], mode: str) -> list[dict[str, float]]:
    """Seconds per epoch and peak memory over N, each size in a process of its own."""
    rows = []
    for n in sizes:
        command = [sys.executable, "-m", "benchmarks.lossval_speed", "--one", mode, str(n)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        rows.append({"n": n, "seconds_per_epoch": float(output[0]), "peak_mb": float(output[1])})
    return rows


def one(mode: str, n: int) -> None:
    """Two epochs of one size; prints seconds per epoch and the growth of the peak memory in MB."""
    import resource

    data = make_data(n)
    run_published(make_data(64), 1) if mode == "published" else run_normalized(make_data(64), 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    run_published(data, 2) if mode == "published" else run_normalized(data, 2)
    elapsed = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(elapsed / 2, (after - before) / 1024)


def run_published(data: Data, epochs: int) -> None:
    train_published(*data, settings=PublishedSettings(epochs=epochs, members=4))


def run_normalized(data: Data, epochs: int) -> None:
    train_lossval(*data, config=LossValConfig(epochs=epochs))


def report(results: dict[str, Any]) -> None:
    run = results["side_by_side"]
    print(f"N={N}, {VALIDATION} validation rows, {run['epochs']} epochs, {run['members']} members, medians")
    for kind in ("elapsed", "processor"):
        print(f"  {kind} seconds")
        for name, seconds in run[kind]["median_seconds"].items():
            members = 1 if name == "geomloss" else run["members"]
            print(f"    {name:18} {seconds:8.2f}   {seconds / members:8.3f} a member")
        for name, ratio in run[kind]["ratios"].items():
            print(f"    {name:34} {ratio:6.2f}")
    print(f"  published is at {results['floor']['times_the_floor']:.1f} x its arithmetic floor")
    for mode, rows in results["scaling"].items():
        for row in rows:
            print(
                f"  {mode:10} N={row['n']:>7}: {row['seconds_per_epoch']:8.2f} s an epoch, "
                f"{1e6 * row['seconds_per_epoch'] / row['n']:7.0f} us a sample, +{row['peak_mb']:.0f} MB"
            )


def plot(results: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    run = results["side_by_side"]
    per_member = {
        name: seconds / (1 if name == "geomloss" else run["members"])
        for name, seconds in run["elapsed"]["median_seconds"].items()
    }
    axes[0].barh(list(per_member), list(per_member.values()))
    axes[0].set(xscale="log", xlabel=f"seconds a member, {run['epochs']} epochs, N={N}")
    for mode, rows in results["scaling"].items():
        axes[1].loglog([r["n"] for r in rows], [r["seconds_per_epoch"] for r in rows], "o-", label=mode)
    axes[1].set(xlabel="N", ylabel="seconds an epoch")
    axes[1].legend()
    figure.savefig(path, dpi=150)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--geomloss-epochs", type=int, default=3, help="measured and scaled to --epochs")
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[1000, 10_000, 100_000], help="N of the scaling"
    )
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--plot", type=Path, help="draw them (needs the extra `benchmarks`)")
    parser.add_argument("--one", nargs=2, metavar=("MODE", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], int(options.one[1]))
        return 0
    run = side_by_side(options.epochs, options.geomloss_epochs, options.members, options.repeats)
    results = {
        "machine": describe_machine(),
        "side_by_side": run,
        "floor": floor(options.epochs, options.members, run["elapsed"]["median_seconds"]["published"]),
        "scaling": {mode: scaling(options.sizes, mode) for mode in ("published", "normalized")},
    }
    report(results)
    write_results(options.output, results)
    if options.plot:
        plot(results, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
