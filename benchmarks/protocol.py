"""The protocol of the paper's experiments (OpenDataVal): data sets, planted noise, and how detection is scored.

1,000 training, 100 validation and up to 3,000 test rows of a data set whose features (and regression target)
are standardised as a whole, before the noise. A part of the training rows and the same part of the validation
rows is made noisy:

- `label`: another of the distinct target values, each equally likely. For classes that is another class, for a
  real-valued target the value of another row (and for a target of few levels, such as white_wine's seven, any
  other level, however rare).
- `feature`: N(0, 1) is added to every feature.
- `mixed`: the first half of the noisy rows gets label noise, the other half feature noise.

Sources: Jiang et al., OpenDataVal, NeurIPS 2023 (`noisify.py`, `experiment/util.py`); Wibiral et al., LossVal,
arXiv 2412.04158, section 4.

    for seed in range(10):
        problem = draw(load_dataset("kin8nm"), noise="label", rate=0.2, seed=seed)
        values = ...  # (1000,), higher = more useful
        f1_of_lowest_cluster(values, problem.corrupt), auc(values, problem.corrupt)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]
Task = Literal["regression", "classification"]
Noise = Literal["label", "feature", "mixed"]

NOISE_RATES = (0.05, 0.10, 0.15, 0.20)
TRAIN_ROWS, VALIDATION_ROWS, TEST_ROWS = 1000, 100, 3000
_GENERATED_ROWS = 8192
_NEIGHBOUR = Path(__file__).parents[2] / "shared" / "data"


class BenchmarkError(Exception):
    """A benchmark that cannot run; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """A whole data set, standardised.

    Attributes:
        name: as given to `load_dataset`.
        X: (rows, d) features of mean 0 and standard deviation 1.
        y: (rows,) target of mean 0 and standard deviation 1, or class indices 0..c-1.
        task: regression or classification.
    """

    name: str
    X: Matrix
    y: Matrix
    task: Task


@dataclass(frozen=True)
class Problem:
    """One draw. The test rows are clean.

    Attributes:
        X_train, y_train: (n, d), (n,), partly noisy.
        X_val, y_val: (m, d), (m,), partly noisy.
        X_test, y_test: (t, d), (t,).
        corrupt: (n,) True where a training row was made noisy.
        corrupt_label: (n,) True where it was the label (for `mixed`, half of `corrupt`).
        task: regression or classification.
    """

    X_train: Matrix
    y_train: Matrix
    X_val: Matrix
    y_val: Matrix
    X_test: Matrix
    y_test: Matrix
    corrupt: Flags
    corrupt_label: Flags
    task: Task


# --- data sets


def _friedman1(rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Friedman #1 (Annals of Statistics 1991): ten uniform features, five of them without effect."""
    X = rng.random((_GENERATED_ROWS, 10))
    signal = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    return X, signal + rng.standard_normal(_GENERATED_ROWS)


def _two_planes(rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """2dplanes (Breiman et al., Classification and Regression Trees, 1984, section 8.6), noise N(0, 1)."""
    X = rng.integers(-1, 2, (_GENERATED_ROWS, 10)).astype(np.float64)
    X[:, 0] = rng.choice([-1.0, 1.0], _GENERATED_ROWS)
    upper = 3 + 3 * X[:, 1] + 2 * X[:, 2] + X[:, 3]
    lower = -3 + 3 * X[:, 4] + 2 * X[:, 5] + X[:, 6]
    return X, np.where(X[:, 0] == 1, upper, lower) + rng.standard_normal(_GENERATED_ROWS)


_FILES: dict[str, tuple[str, Task]] = {
    "2dplanes": ("noise/2dplanes.csv", "classification"),
    "fried": ("noise/fried.csv", "classification"),
    "kin8nm": ("pools/kin8nm.csv", "regression"),
    "white_wine": ("pools/white_wine.csv", "regression"),
    "power_plant": ("pools/power_plant.csv", "regression"),
    "yacht": ("pools/yacht.csv", "regression"),
}
_GENERATED: dict[str, tuple[Callable[[np.random.Generator], tuple[Matrix, Matrix]], Task]] = {
    "friedman1": (_friedman1, "regression"),
    "friedman1_class": (_friedman1, "classification"),
    "two_planes": (_two_planes, "regression"),
    "two_planes_class": (_two_planes, "classification"),
}
FILE_DATASETS, GENERATED_DATASETS = tuple(_FILES), tuple(_GENERATED)


def load_dataset(name: str, data: Path | None = None) -> Dataset:
    """A data set by name, standardised.

    Args:
        name: one of `FILE_DATASETS`, which come from the folder `data`, or of `GENERATED_DATASETS`, which need
            no file (classes: at or above the mean).
        data: folder with `noise/` and `pools/`; None: `../shared/data` beside the repository.

    Raises:
        BenchmarkError: unknown name, or the file is not there.
    """
    if name in _GENERATED:
        make, task = _GENERATED[name]
        X, y = make(np.random.default_rng(0))
        y = (y >= y.mean()).astype(np.float64) if task == "classification" else y
    elif name in _FILES:
        file, task = _FILES[name]
        X, y = _read(name, (data or _NEIGHBOUR) / file)
    else:
        raise BenchmarkError(
            f"no data set '{name}'; choose from {', '.join(FILE_DATASETS + GENERATED_DATASETS)}"
        )
    if task == "classification":
        y = np.unique(y, return_inverse=True)[1].astype(np.float64)
    return Dataset(name, _standardised(X), y if task == "classification" else _standardised(y), task)


def _read(name: str, path: Path) -> tuple[Matrix, Matrix]:
    """Features and the column y of a CSV file."""
    if not path.is_file():
        raise BenchmarkError(
            f"{path} with the data set '{name}' is not there; name its folder with --data, or use a generated "
            f"data set ({', '.join(GENERATED_DATASETS)})"
        )
    columns = path.read_text(encoding="utf-8").split("\n", 1)[0].strip().split(",")
    if "y" not in columns:
        raise BenchmarkError(f"{path} has no column 'y'")
    table = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float64)
    target = columns.index("y")
    return np.delete(table, target, axis=1), table[:, target]


def _standardised(array: Matrix) -> Matrix:
    return (array - array.mean(axis=0)) / (array.std(axis=0) + 1e-8)


# --- noise


def draw(dataset: Dataset, noise: Noise, rate: float, seed: int) -> Problem:
    """A random split of the data set with planted noise.

    Args:
        dataset: at least 1,101 rows; what remains after training and validation, up to 3,000, is for testing.
        noise: label, feature or mixed.
        rate: part of the training and of the validation rows that is made noisy, in (0, 1).
        seed: same seed, same bytes.

    Raises:
        BenchmarkError: too few rows, an unknown kind of noise, or an impossible rate.
    """
    if noise not in get_args(Noise) or not 0 < rate < 1:
        raise BenchmarkError(f"noise is one of {', '.join(get_args(Noise))} at a rate in (0, 1)")
    if len(dataset.X) <= TRAIN_ROWS + VALIDATION_ROWS:
        raise BenchmarkError(f"'{dataset.name}' has {len(dataset.X)} rows; more than 1,100 are needed")
    rng = np.random.default_rng(seed)
    train, validation, test = np.split(
        rng.permutation(len(dataset.X))[: TRAIN_ROWS + VALIDATION_ROWS + TEST_ROWS],
        [TRAIN_ROWS, TRAIN_ROWS + VALIDATION_ROWS],
    )
    X_train, y_train, noisy_label, noisy_feature = _noisy(dataset, train, noise, rate, rng)
    X_val, y_val, _, _ = _noisy(dataset, validation, noise, rate, rng)
    return Problem(
        X_train,
        y_train,
        X_val,
        y_val,
        dataset.X[test],
        dataset.y[test],
        corrupt=noisy_label | noisy_feature,
        corrupt_label=noisy_label,
        task=dataset.task,
    )


def _noisy(
    dataset: Dataset, rows: NDArray[np.int64], noise: Noise, rate: float, rng: np.random.Generator
) -> tuple[Matrix, Matrix, Flags, Flags]:
    """Noisy features and target of some rows, and where either was changed."""
    X, y = dataset.X[rows], dataset.y[rows]
    chosen = rng.choice(len(rows), round(len(rows) * rate), replace=False)
    half = len(chosen) // 2
    label, feature = {
        "label": (chosen, chosen[:0]),
        "feature": (chosen[:0], chosen),
        "mixed": (chosen[:half], chosen[half:]),
    }[noise]
    X[feature] += rng.standard_normal((len(feature), X.shape[1]))
    y[label] = _other_values(y, label, rng)
    flags = np.zeros((2, len(rows)), dtype=bool)
    flags[0, label] = flags[1, feature] = True
    return X, y, flags[0], flags[1]


def _other_values(y: Matrix, rows: NDArray[np.int64], rng: np.random.Generator) -> Matrix:
    """For each of the rows another of the distinct values of y, each equally likely."""
    distinct, position = np.unique(y, return_inverse=True)
    shift = rng.integers(1, len(distinct), len(rows))
    return distinct[(position[rows] + shift) % len(distinct)]


# --- scores


def f1_of_lowest_cluster(values: Matrix, corrupt: Flags) -> float:
    """F1 of calling the lower of two clusters of values noisy; clusters by exact 1-D 2-means. O(n log n).

    Args:
        values: (n,) data values, higher = more useful, n >= 2.
        corrupt: (n,) True where the sample is noisy.

    Returns:
        F1 in [0, 1], higher = better.
    """
    order = np.argsort(values, kind="stable")
    sorted_values = values[order] - values.mean()
    n = len(values)
    below = np.cumsum(sorted_values)[:-1]
    size = np.arange(1, n)
    # The sum of squares within two clusters is a constant minus what the cluster means explain; the total of
    # the centred values is 0, so the sum above a split is minus the sum below.
    explained = below**2 / size + below**2 / (n - size)
    lowest = order[: int(np.argmax(explained)) + 1]
    found = int(corrupt[lowest].sum())
    return 2 * found / (len(lowest) + int(corrupt.sum()))


def auc(values: Matrix, corrupt: Flags) -> float:
    """Probability that a noisy sample has a lower value than a clean one (ties count half); 0.5 = chance.

    Args:
        values: (n,) data values, higher = more useful.
        corrupt: (n,) True where the sample is noisy; some but not all.
    """
    noisy, clean = int(corrupt.sum()), int((~corrupt).sum())
    below = rankdata(-values)[corrupt].sum() - noisy * (noisy + 1) / 2
    return float(below / (noisy * clean))
