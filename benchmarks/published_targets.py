"""Does mode `published` give what the paper's code gives? Mean F1 under 20 % label noise beside the paper's.

    python -m benchmarks.published_targets --data ../shared/data --output targets.json

A repetition is a new draw of rows and noise, and one network, as in the paper. `se` is the standard error of the
mean over the repetitions; `within` says whether the paper's mean lies within two of them. The paper's own means
have 5 repetitions a rate with standard deviations of .02 to .04, so a standard error of .01 to .02 of their own:
`within_both` counts that too (.03 / sqrt 5).

The targets are means of the result files that the authors publish (repository twibiral/LossVal, commit 59f4b18).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.protocol import BenchmarkError, auc, draw, f1_of_lowest_cluster, load_dataset
from benchmarks.report import describe_machine, write_results
from worker.lossval.published import PublishedSettings, train_published

RATE = 0.2
TARGETS = {  # data set -> epochs -> mean F1
    "2dplanes": {5: 0.621, 30: 0.722},
    "fried": {5: 0.583, 30: 0.670},
    "kin8nm": {5: 0.398, 30: 0.527},
    "white_wine": {5: 0.657, 30: 0.643},
}
TARGET_ERROR = 0.03 / math.sqrt(5)


def measure(name: str, epochs: int, repetitions: int, data: Path | None) -> dict[str, Any]:
    """F1 and AUC of each repetition, and the comparison."""
    dataset = load_dataset(name, data)
    settings = PublishedSettings(task=dataset.task, epochs=epochs, members=1)
    f1, areas = [], []
    for seed in range(repetitions):
        problem = draw(dataset, "label", RATE, seed)
        run = train_published(problem.X_train, problem.y_train, problem.X_val, settings=settings, seed=seed)
        f1.append(f1_of_lowest_cluster(run.result.values, problem.corrupt))
        areas.append(auc(run.result.values, problem.corrupt))
    mean, error = statistics.mean(f1), statistics.stdev(f1) / math.sqrt(repetitions)
    target = TARGETS.get(name, {}).get(epochs)
    apart = None if target is None else abs(mean - target)
    return {
        "dataset": name,
        "epochs": epochs,
        "repetitions": repetitions,
        "f1": f1,
        "f1_mean": mean,
        "f1_se": error,
        "auc_mean": statistics.mean(areas),
        "target": target,
        "within": None if apart is None else apart <= 2 * error,
        "within_both": None if apart is None else apart <= 2 * math.hypot(error, TARGET_ERROR),
    }


def line(row: dict[str, Any]) -> str:
    target = "    -" if row["target"] is None else f"{row['target']:.3f}"
    verdict = {None: "no target", True: "within 2 se", False: "apart"}[row["within"]]
    if row["within"] is False and row["within_both"]:
        verdict = "within 2 se of both means"
    return (
        f"{row['dataset']:16} {row['epochs']:6} {row['f1_mean']:.3f} +- {row['f1_se']:.3f}   {target}   "
        f"{row['auc_mean']:.3f}   {verdict}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(TARGETS), help="names, see benchmarks.protocol")
    parser.add_argument("--epochs", nargs="+", type=int, default=[5, 30])
    parser.add_argument("--repetitions", type=int, default=10, help="at least 2")
    parser.add_argument("--data", type=Path, help="folder with noise/ and pools/ (default: ../shared/data)")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    if options.repetitions < 2:
        parser.error("--repetitions must be 2 or more: one has no standard error")
    print("dataset          epochs mean F1           target  AUC     verdict", flush=True)
    rows = []
    try:
        for name in options.datasets:
            for epochs in options.epochs:
                rows.append(measure(name, epochs, options.repetitions, options.data))
                print(line(rows[-1]), flush=True)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_results(options.output, {"machine": describe_machine(), "noise_rate": RATE, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
