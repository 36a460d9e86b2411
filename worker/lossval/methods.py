"""One interface for everything that values samples: LossVal in both modes and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from worker.lossval.baselines import (
    DataOob,
    KnnDistance,
    KnnShapley,
    Lava,
    LeaveOneOut,
    OutOfFoldLoss,
    RandomValues,
)
from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.errors import LossValError
from worker.lossval.passes import value_samples
from worker.lossval.problem import ValuationProblem
from worker.lossval.result import DataValues

__all__ = [
    "METHODS",
    "NEED_VALIDATION_LABELS",
    "LossVal",
    "MethodFactory",
    "ValuationMethod",
    "ValuationProblem",
    "make_method",
]


class ValuationMethod(Protocol):
    """Values all samples of a problem; same problem and seed give the same bytes."""

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        """Values of the n samples.

        Raises:
            LossValError: a problem that the method cannot value; the message names the remedy.
        """
        ...


@dataclass(frozen=True)
class LossVal:
    """LossVal as a `ValuationMethod`; `config.mode` says which training loop, the problem which task."""

    config: LossValConfig
    device: str = "cpu"

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        return value_samples(
            problem.X,
            problem.y,
            problem.X_validation,
            config=replace(self.config, task=problem.task),
            seed=seed,
            device=self.device,
            progress=progress,
        ).result


MethodFactory = Callable[[LossValConfig, str], ValuationMethod]

# Name -> factory of (settings, device). What has no networks of its own ignores both.
METHODS: Mapping[str, MethodFactory] = {
    "lossval": LossVal,
    "knn_shapley": lambda _config, _device: KnnShapley(),
    "data_oob": lambda _config, _device: DataOob(),
    "lava": lambda _config, _device: Lava(),
    "loo": lambda _config, _device: LeaveOneOut(),
    "knn_distance": lambda _config, _device: KnnDistance(),
    "out_of_fold_loss": OutOfFoldLoss,
    "random": lambda _config, _device: RandomValues(),
}
# These measure utility on validation rows and refuse a problem without their labels.
NEED_VALIDATION_LABELS = frozenset({"knn_shapley", "lava", "loo"})


def make_method(name: str, config: LossValConfig | None = None, device: str = "cpu") -> ValuationMethod:
    """The valuation method of that name.

    Args:
        name: a key of `METHODS`.
        config: settings of LossVal and of the networks of `out_of_fold_loss`; the task is the problem's.
        device: where networks train.

    Raises:
        LossValError: an unknown name.
    """
    if name not in METHODS:
        raise LossValError(f"there is no valuation method '{name}'; use one of {', '.join(METHODS)}")
    return METHODS[name](config or LossValConfig(), device)
