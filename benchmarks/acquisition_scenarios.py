"""The situations in which strategies are compared: what is known, what can be bought, what counts.

Every draw standardises features and target as a whole, sets rows aside for measuring (up to 1,000) and as target-domain
points without labels (up to 200), and offers a pool of up to 1,000 rows.

- `same`: everything is drawn at random from one distribution.
- `shifted`: the target domain is the upper quarter of the rows along a random direction of the features; the initial
  set comes from the lower half; the pool is everything else, a quarter of it in the target domain. The fleet has its
  own shift: tests of yesterday's cars at the start, a quarter of tomorrow's designs in the pool, tomorrow's platforms
  to predict.
- `label_noise`: `shifted`, and a fifth of all labels that can be bought or are known is that of another row.
- `prices`: `shifted`, and 70 % of the rows are simulations that cost 1 (their label is off by a smooth bias of 0.3
  and noise of 0.1 standard deviations), the others tests that cost 100. A batch may cost what random picks cost on
  average. The source is a feature; what counts are tests.

The target domain of a table is an assumption (nobody ran shifted tests of wines); the fleet is the product's own case.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.protocol import BenchmarkError, Flags, Matrix, load_dataset
from service.vocabulary import SourceKind
from worker.acquisition.backtest.problem import BacktestData
from worker.acquisition.backtest.splits import Split
from worker.lossval.encoding import FeatureEncoder, FeatureSpec
from worker.simulation.fleet import sample_fleet
from worker.simulation.oracle import run_occupant_model
from worker.simulation.schema import FEATURES

Scenario = Literal["same", "shifted", "label_noise", "prices"]
SCENARIOS: tuple[Scenario, ...] = ("shifted", "same", "label_noise", "prices")
FLEET = "fleet"
DATASETS = (FLEET, "kin8nm", "power_plant", "white_wine", "yacht")
MOST_MEASURED, MOST_TARGET, MOST_POOL = 1000, 200, 1000
LEAST_POOL = 150
IN_DOMAIN, WRONG_LABELS, SIMULATIONS = 0.25, 0.2, 0.7
SIMULATION_PRICE, TEST_PRICE = 1.0, 100.0
_FLEET_ROWS = 1200
_SIMULATION_BIAS, _SIMULATION_NOISE = 0.3, 0.1


@dataclass(frozen=True)
class Draw:
    """One repetition.

    Attributes:
        data: all its rows; labels that are measured on are right and those of tests.
        split: who is known, who can be bought, who is measured on.
        batch_budget: money per batch, None = no limit.
    """

    data: BacktestData
    split: Split
    batch_budget: float | None


@dataclass(frozen=True)
class _Table:
    """A data set with its position along the shift: rows above 1 - IN_DOMAIN are the target domain."""

    X: Matrix
    y: Matrix
    position: Matrix


def draw_scenario(
    name: str, scenario: Scenario, *, initial: int, seed: int, folder: Path | None = None
) -> Draw:
    """One repetition of a scenario on a data set.

    Args:
        name: of a regression data set, or `fleet`.
        scenario: see the module.
        initial: labelled rows at the start.
        seed: the only source of randomness.
        folder: of the data files, see `load_dataset`.

    Raises:
        BenchmarkError: the data set is too small or not there.
    """
    rng = np.random.default_rng([seed, initial])
    table = _fleet() if name == FLEET else _along_a_direction(name, folder, rng)
    rows = _Rows.drawn(table, rng, shifted=scenario != "same", initial=initial)
    y = table.y.copy()
    trainable = np.concatenate([rows.initial, rows.pool])
    if scenario == "label_noise":
        wrong = trainable[rng.random(len(trainable)) < WRONG_LABELS]
        y[wrong] = rng.permutation(table.y)[: len(wrong)]
    if scenario == "prices":
        return _with_prices(table.X, y, rows, trainable, rng)
    data = BacktestData(X=table.X, y=y, acquisition_cost=np.ones(len(y)), source=np.zeros(len(y), np.int64))
    return Draw(data, rows.split(table.X), None)


@dataclass(frozen=True)
class _Rows:
    initial: np.ndarray
    pool: np.ndarray
    measured: np.ndarray
    target: np.ndarray

    @classmethod
    def drawn(cls, table: _Table, rng: np.random.Generator, *, shifted: bool, initial: int) -> _Rows:
        order = rng.permutation(len(table.y))
        domain = table.position[order] >= 1 - IN_DOMAIN if shifted else np.ones(len(order), bool)
        inside, outside = order[domain], order[~domain]
        measured, target, inside = np.split(inside, np.cumsum(_held_out(len(inside))))
        rest = rng.permutation(np.concatenate([inside, outside]))
        known = rest[table.position[rest] < 0.5][:initial] if shifted else rest[:initial]
        pool = rest[~np.isin(rest, known)][:MOST_POOL]
        if len(known) < initial or len(pool) < LEAST_POOL:
            raise BenchmarkError(f"{len(order)} rows are too few for {initial} labelled ones at the start")
        return cls(known, pool, measured, target)

    def split(self, X: Matrix) -> Split:
        return Split(np.sort(self.initial), np.sort(self.pool), np.sort(self.measured), X[self.target])


def _held_out(inside: int) -> tuple[int, int]:
    """Rows to measure on and target-domain points out of so many rows of the target domain."""
    return min(MOST_MEASURED, inside // 3), min(MOST_TARGET, inside // 6)


def _along_a_direction(name: str, folder: Path | None, rng: np.random.Generator) -> _Table:
    found = load_dataset(name, folder)
    if found.task != "regression":
        raise BenchmarkError(f"'{name}' has classes; acquisition is compared on real-valued targets")
    # repeated rows would be in the pool and in the holdout
    _, first = np.unique(np.column_stack([found.X, found.y]), axis=0, return_index=True)
    X, y = found.X[np.sort(first)], found.y[np.sort(first)]
    score = X @ rng.normal(size=X.shape[1])
    return _Table(X, y, score.argsort(kind="stable").argsort() / len(score))


@cache
def _fleet() -> _Table:
    """Tests of the occupant model: three quarters yesterday's designs, the others of the target domain."""
    rng = np.random.default_rng(0)
    tomorrow = round(IN_DOMAIN * _FLEET_ROWS)
    designs = sample_fleet(_FLEET_ROWS - tomorrow, rng) + sample_fleet(tomorrow, rng, target_domain=True)
    results = [
        run_occupant_model(design, source_kind=SourceKind.PHYSICAL_TEST, seed=seed)
        for seed, design in enumerate(designs)
    ]
    kept = [index for index, result in enumerate(results) if result.rolc_g is not None]
    specs = [FeatureSpec(item.name, item.kind, tuple(item.categories)) for item in FEATURES]
    rows = [designs[index] for index in kept]
    y = np.array([results[index].rolc_g for index in kept], dtype=np.float64)
    future = np.array(kept) >= _FLEET_ROWS - tomorrow
    position = np.where(future, 1.0, rng.random(len(kept)) * 0.5)
    return _Table(FeatureEncoder.fit(specs, rows).transform(rows), (y - y.mean()) / y.std(), position)


def _with_prices(X: Matrix, y: Matrix, rows: _Rows, trainable: np.ndarray, rng: np.random.Generator) -> Draw:
    simulated: Flags = np.zeros(len(y), dtype=np.bool_)
    simulated[trainable] = rng.random(len(trainable)) < SIMULATIONS
    bias = np.sqrt(2) * _SIMULATION_BIAS * np.sin(X @ rng.normal(size=X.shape[1]) / np.sqrt(X.shape[1]))
    y = y + simulated * (bias + _SIMULATION_NOISE * rng.normal(size=len(y)))
    X = np.column_stack([X, np.where(simulated, -1.0, 1.0)])
    price = np.where(simulated, SIMULATION_PRICE, TEST_PRICE)
    data = BacktestData(X=X, y=y, acquisition_cost=price, source=simulated.astype(np.int64))
    return Draw(data, rows.split(X), float(price[rows.pool].mean()))
