"""All settings of a valuation run, checked once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from worker.lossval.errors import LossValError
from worker.lossval.transport import TransportSettings

Mode = Literal["normalized", "published"]
Task = Literal["regression", "classification"]

# Called with the finished fraction in [0, 1] and what is going on. Whatever it raises ends the run and
# reaches the caller unchanged: this is how a run is cancelled.
Progress = Callable[[float, str], None]


def no_progress(fraction: float, message: str) -> None:
    """For callers that do not follow the run."""


@dataclass(frozen=True)
class LossValConfig:
    """Settings of the valuation pass and of the surrogates trained beside it.

    Attributes:
        mode: the training loop; `normalized` is LossVal with weights of mean 1 and equal masses, `published` the
            loop of the paper, which takes task, epochs (None: 30) and members from here and nothing else.
        task: regression (squared error) or classification (cross-entropy).
        epochs: passes over the training rows in the valuation pass. None: as many as make 200 optimiser
            steps, at least 20.
        members: K, networks of the ensemble.
        train_fraction: part of the members that train on a sample in the valuation pass; its weight learns
            from the others.
        hidden: widths of the hidden layers.
        learning_rate: of AdamW, for the surrogates.
        valuation_learning_rate: of AdamW, in the valuation pass: slower, so that wrong labels are not fitted.
        weight_decay: of AdamW. None: min(1, 100/n): one prior, n samples. With a few hundred samples this is
            what keeps members from chasing noise, and with thousands it would blur real structure.
        minibatch_size: most rows per optimiser step. The valuation pass takes fewer where `epochs` would leave it
            less than 200 steps.
        warmup: part of the epochs before weights learn, so that they do not learn from untrained members.
        shift_influence: how much a shift of the target domain counts in weights and values (see
            `training.py`); 0 = not at all.
        surrogate_epochs: most passes for a serving surrogate (None: 1,000 steps, at least 40 passes).
        patience: evaluations (every 10 steps) without a better error after which a surrogate stops.
        transport: accuracy and sizes of the transport to the target domain. Its regularisation is broad: at
            0.05 of the median cost chance alone outweighs a shift of one standard deviation in ten features.
        isolation: the same for the self term that measures isolation, which is local.
    """

    mode: Mode = "normalized"
    task: Task = "regression"
    epochs: int | None = None
    members: int = 8
    train_fraction: float = 0.5
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 0.01
    valuation_learning_rate: float = 0.003
    weight_decay: float | None = None
    minibatch_size: int = 2048
    warmup: float = 0.3
    shift_influence: float = 1.0
    surrogate_epochs: int | None = None
    patience: int = 10
    transport: TransportSettings = field(default_factory=lambda: TransportSettings(relative_epsilon=0.5))
    isolation: TransportSettings = field(default_factory=lambda: TransportSettings(relative_epsilon=0.1))

    def __post_init__(self) -> None:
        for name, holds, allowed in self._rules():
            if not holds:
                raise LossValError(f"{name} must be {allowed}, not {getattr(self, name)!r}")

    def _rules(self) -> Iterator[tuple[str, bool, str]]:
        """Name, whether it holds, what is allowed."""
        for setting in fields(self):
            value = getattr(self, setting.name)
            yield setting.name, not isinstance(value, float) or math.isfinite(value), "finite"
        yield "mode", self.mode in get_args(Mode), f"one of {', '.join(get_args(Mode))}"
        yield "task", self.task in get_args(Task), f"one of {', '.join(get_args(Task))}"
        yield "members", 2 <= self.members <= 256, "between 2 and 256"
        yield "train_fraction", 0 < self.train_fraction < 1, "above 0 and below 1"
        yield "hidden", bool(self.hidden) and min(self.hidden) > 0, "one or more positive widths"
        yield "warmup", 0 <= self.warmup < 1, "at least 0 and below 1"
        for name in ("learning_rate", "valuation_learning_rate"):
            yield name, getattr(self, name) > 0, "above 0"
        yield "weight_decay", self.weight_decay is None or self.weight_decay >= 0, "0 or more"
        yield "shift_influence", self.shift_influence >= 0, "0 or more"
        for name in ("epochs", "surrogate_epochs", "minibatch_size", "patience"):
            yield name, getattr(self, name) is None or getattr(self, name) >= 1, "1 or more"

    @property
    def half_ensembles(self) -> list[int]:
        """Members of the two disjoint half ensembles; below four members there is one ensemble only."""
        half = self.members // 2
        return [half, self.members - half] if self.members >= 4 else [self.members]

    def held_out_of(self, members: int) -> int:
        """How many of so many members do not train on a given sample: at least one, and one that does."""
        return min(max(round(members * (1.0 - self.train_fraction)), 1), members - 1)

    def weight_decay_for(self, n: int) -> float:
        """Weight decay for n training samples."""
        return min(1.0, 100.0 / n) if self.weight_decay is None else self.weight_decay
