"""What the intervals cover, and how wide they are: `python -m benchmarks.intervals --output intervals.json`.

Per data set and share of wrong training labels, over several draws: a whole valuation run, then coverage and mean
width of the intervals on clean rows that it never saw, at several nominal levels. The labels of validation rows are
as often wrong as those of training rows. `fleet` is the demonstration: its own wrong labels, and a holdout of other
platforms from a target domain that differs from most training rows.

Coverage by the nominal 90 % is to lie between 87 and 93 %, where labels are right and where some are wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocol import GENERATED_DATASETS, BenchmarkError, load_dataset
from benchmarks.report import describe_machine, write_results
from worker.demo.data import SIMULATION, TEST, Sizes, campaign_document, make_data
from worker.device import use_threads
from worker.lossval.encoding import FeatureSpec, Row
from worker.lossval.valuation import run_valuation

LEVELS = (0.5, 0.8, 0.9, 0.95)
WRONG_SHARES = (0.0, 0.1, 0.2)
FLEET = "fleet"
DATASETS = (FLEET, "friedman1", "two_planes", "kin8nm", "power_plant", "white_wine")
_TEST_ROWS = 2000

Vector = NDArray[np.float64]
Labelled = tuple[list[Row], Vector]


@dataclass(frozen=True)
class Draw:
    """Training, validation and clean test rows of one repetition."""

    features: list[FeatureSpec]
    train: Labelled
    validation: Labelled
    test: Labelled


def main() -> None:
    """Measure, print one line per data set and share, write the JSON."""
    arguments = _arguments()
    use_threads(1)
    results = []
    try:
        for name in arguments.datasets:
            for share in WRONG_SHARES if name != FLEET else (None,):
                draws = _draws(name, share, arguments)
                results.append({"dataset": name, "wrong_share": share, **_measure(draws)})
                _print(results[-1])
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
    write_results(
        arguments.output, {"machine": describe_machine(), "rows": arguments.rows, "results": results}
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=DATASETS, metavar="NAME")
    parser.add_argument("--rows", type=int, default=500, help="training rows (not of the fleet: 360)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--data", type=Path, help=f"folder of the data sets beside {', '.join(GENERATED_DATASETS)}"
    )
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def _draws(name: str, share: float | None, arguments: argparse.Namespace) -> Iterator[Draw]:
    for seed in range(arguments.repetitions):
        yield _fleet(seed) if share is None else _table(name, share, arguments, seed)


def _table(name: str, share: float, arguments: argparse.Namespace, seed: int) -> Draw:
    """A random split; wrong labels are those of other rows."""
    dataset = load_dataset(name, arguments.data)
    rng = np.random.default_rng(seed)
    names = [f"x{column}" for column in range(dataset.X.shape[1])]
    n, m = arguments.rows, arguments.rows // 5
    parts = np.split(rng.permutation(len(dataset.y))[: n + m + _TEST_ROWS], [n, n + m])
    labelled = []
    for part, spoiled in zip(parts, (share, share, 0.0), strict=True):
        y = dataset.y[part]
        wrong = rng.choice(len(y), round(spoiled * len(y)), replace=False)
        y[wrong] = rng.choice(dataset.y, len(wrong))
        labelled.append(([dict(zip(names, row, strict=True)) for row in dataset.X[part].tolist()], y))
    return Draw([FeatureSpec(name, "continuous") for name in names], *labelled)


def _fleet(seed: int) -> Draw:
    """The demonstration's campaign with more cars in the holdout."""
    samples = make_data(seed, Sizes(holdout=400, candidates=400)).rows
    schema = campaign_document("fleet")["feature_schema"]
    features = [FeatureSpec(item["name"], item["kind"], tuple(item.get("categories", ()))) for item in schema]
    features.append(FeatureSpec("source", "categorical", (TEST, SIMULATION)))
    labelled = [_labelled(samples, split) for split in ("train", "validation", "holdout")]
    return Draw(features, *labelled)


def _labelled(samples: list[dict[str, Any]], split: str) -> Labelled:
    chosen = [item for item in samples if "target" in item and item.get("split", "train") == split]
    rows: list[Row] = [
        {**(item.get("executed_features") or item["planned_features"]), "source": item["source"]}
        for item in chosen
    ]
    return rows, np.array([item["target"] for item in chosen])


def _measure(draws: Iterator[Draw]) -> dict[str, Any]:
    """Coverage and width per level, mean and standard deviation over the draws."""
    coverage: dict[float, list[float]] = {level: [] for level in LEVELS}
    width: dict[float, list[float]] = {level: [] for level in LEVELS}
    errors, shares, served = [], [], []
    for seed, draw in enumerate(draws):
        outcome = run_valuation(
            draw.features, *draw.train, draw.validation[0], draw.validation, seed=seed, holdout=draw.test
        )
        rows, y = draw.test
        for level in LEVELS:
            lower, upper = outcome.surrogate.interval(rows, level)
            coverage[level].append(float(((lower <= y) & (y <= upper)).mean()))
            width[level].append(float((upper - lower).mean()))
        errors.append(outcome.metrics["rmse"])
        shares.append(outcome.metrics["wrong_label_share"])
        served.append(outcome.metrics["serving"])
    return {
        "repetitions": len(errors),
        "levels": [
            {
                "level": level,
                "coverage_mean": float(np.mean(coverage[level])),
                "coverage_sd": float(np.std(coverage[level], ddof=1)) if len(errors) > 1 else None,
                "width_mean": float(np.mean(width[level])),
            }
            for level in LEVELS
        ],
        "rmse_median": float(np.median(errors)),
        "wrong_label_share_mean": float(np.mean(shares)),
        "served": {name: served.count(name) for name in sorted(set(served))},
    }


def _print(result: dict[str, Any]) -> None:
    share = "own" if result["wrong_share"] is None else f"{result['wrong_share']:.0%}"
    levels = "  ".join(
        f"{item['level']:.0%}: {item['coverage_mean']:.1%} (width {item['width_mean']:.3g})"
        for item in result["levels"]
    )
    served = ", ".join(f"{name} {count}" for name, count in result["served"].items())
    print(
        f"{result['dataset']:<12} wrong {share:>4} (estimated {result['wrong_label_share_mean']:.1%})  {levels}  "
        f"RMSE {result['rmse_median']:.3g}; {served}",
        flush=True,
    )


if __name__ == "__main__":
    main()
