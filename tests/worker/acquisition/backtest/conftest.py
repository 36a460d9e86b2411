"""Small backtests: seconds, not minutes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from worker.acquisition.backtest import BacktestConfig, BacktestData

SMALL: dict[str, Any] = {
    "initial": 20,
    "batch_size": 8,
    "rounds": 2,
    "repeats": 5,
    "random_draws": 2,
    "members": 4,
    "hidden": (16,),
    "steps": 60,
    "sketch_dimension": 32,
    "label_precision": "equal",
}


def small_config(**changes: Any) -> BacktestConfig:
    return BacktestConfig(**SMALL | changes)


def small_data(n: int = 80, seed: int = 0, **changes: Any) -> BacktestData:
    """A smooth function of four normal features."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    fields: dict[str, Any] = {
        "X": X,
        "y": 26 + 3 * np.sin(X[:, 0]) + 2 * X[:, 1] + 0.1 * rng.normal(size=n),
        "acquisition_cost": np.ones(n),
        "source": np.zeros(n, dtype=np.int64),
    }
    return BacktestData(**fields | changes)


@pytest.fixture(scope="session")
def played():
    """One backtest with the real order as a contestant, for all who only look at it."""
    from worker.acquisition.backtest import run_backtest

    seen: list[tuple[float, str]] = []
    data = small_data(bought_order=np.arange(80)[::-1].astype(float))
    report = run_backtest(data, small_config(), progress=lambda share, text: seen.append((share, text)))
    return data, report, seen
