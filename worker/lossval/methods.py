"""One interface for everything that values samples: LossVal in both modes and the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.lossval.config import LossValConfig, Progress, Task, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.result import DataValues
from worker.lossval.training import train_lossval


@dataclass(frozen=True)
class ValuationProblem:
    """What is to be valued, and for which target domain.

    Attributes:
        X: (n, d) encoded training features.
        y: (n,) standardised target, or class indices 0..c-1.
        X_validation: (m, d) encoded features of the target domain.
        y_validation: (m,) their targets on the same scale, or None: LossVal never looks at them, some
            baselines cannot do without.
        task: regression or classification.
    """

    X: Matrix
    y: Matrix
    X_validation: Matrix
    y_validation: Matrix | None
    task: Task


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
    """LossVal as a `ValuationMethod`; `config.mode` says which training loop."""

    config: LossValConfig
    device: str = "cpu"

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        return train_lossval(
            problem.X,
            problem.y,
            problem.X_validation,
            config=self.config,
            seed=seed,
            device=self.device,
            progress=progress,
        ).result
