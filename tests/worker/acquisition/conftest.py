from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from worker.acquisition.problem import BatchLimits, RankingProblem

MakeProblem = Callable[..., RankingProblem]
LIMITS = {field.name for field in fields(BatchLimits)}


def _problem(*, seed: int = 0, m: int = 30, n: int = 10, p: int = 8, **changes: Any) -> RankingProblem:
    """A random round of m candidates; limits and fields of the problem by keyword; no control arm."""
    random, others = np.random.default_rng(seed), np.random.default_rng([seed, 1])

    def features(rows: int, generator: np.random.Generator = random) -> torch.Tensor:
        return torch.from_numpy(generator.normal(size=(rows, p)))

    limits = {"batch_size": 5, "control_fraction": 0.0} | {k: changes.pop(k) for k in LIMITS & set(changes)}
    problem = RankingProblem(
        candidates=features(m),
        labelled=features(n),
        label_precision=others.uniform(0.5, 1.5, n),
        pending=features(0),
        target=features(6),
        inputs=features(m, others),
        known_inputs=features(n, others),
        noise_variance=0.1,
        acquisition_cost=random.uniform(1.0, 10.0, m),
        source=random.integers(0, 2, m),
        relevance=np.ones(m),
        predicted=np.zeros(m),
        predicted_std=np.ones(m),
        design=np.arange(m),
        known_designs=np.array([], dtype=np.int64),
        limits=BatchLimits(**limits),
        seed=seed,
    )
    return replace(problem, **changes)


@pytest.fixture(scope="session")
def make_problem() -> MakeProblem:
    return _problem


@pytest.fixture(scope="session")
def reorder() -> Callable[[RankingProblem, Iterable[int]], RankingProblem]:
    """The same problem with the pool in another order."""

    def change(problem: RankingProblem, order: Iterable[int]) -> RankingProblem:
        rows = np.array(list(order))
        names = ("acquisition_cost", "source", "relevance", "predicted", "predicted_std", "design")
        moved = {name: getattr(problem, name)[rows] for name in names}
        for name in ("candidates", "inputs"):
            moved[name] = getattr(problem, name)[torch.from_numpy(rows)]
        return replace(problem, **moved)

    return change
