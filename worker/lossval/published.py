"""LossVal in mode `published`: the training loop of the authors' code, K members in one batched pass.

Per member (arXiv 2412.04158; repository twibiral/LossVal at 59f4b18, from which the semantics were read):

- loss of a minibatch `sum_n w_n l_n * S^2`, l_n the squared error or the cross-entropy, S the debiased Sinkhorn
  divergence of the weighted minibatch from the whole validation set with masses as they are
  (`sinkhorn_divergence.py`); the diameter that starts its annealing is the minibatch's own.
- one Adam, learning rate 0.01, over network and weights; shuffled minibatches of 32, the last one smaller; 5 or
  30 epochs. The weights start at 1 and are neither normalised nor kept positive.
- network: 3 linear layers x 90, tanh (regression), 5 x 100, ReLU, softmax (classification), with the initial
  weights of `torch.nn.Linear`.

Each member has an initialisation and a minibatch order of its own. A sample's value is its mean final weight.

What this loop rewards: with mass 32 against 100, S and its gradient are dominated by the surplus mass, so that
a weight falls or rises mostly by whether the sample's loss is above or below a threshold near the mean loss of
its minibatch. Mode `normalized` (`training.py`) mends that; this mode is for comparison with the paper.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from worker.lossval.checkpoint import (
    Checkpoint,
    check_identity,
    drive,
    pack,
    restore_training,
    training_tensors,
    unpack,
)
from worker.lossval.config import LossValConfig, Progress, Task, no_progress
from worker.lossval.data_weights import DataWeights
from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError
from worker.lossval.network import EnsembleNetwork
from worker.lossval.problem import check_training_data
from worker.lossval.result import LossValResult, TrainingCurve, spearman
from worker.lossval.sinkhorn_divergence import SinkhornDivergence, ValidationSide

_PROGRESS_SECONDS = 0.2
_INSIDE_LOGARITHM = 1e-8  # the published cross-entropy is -log(probability + 1e-8)
_HIDDEN: dict[Task, tuple[int, ...]] = {"regression": (90, 90), "classification": (100, 100, 100, 100)}


@dataclass(frozen=True)
class PublishedSettings:
    """Settings of the published loop; the defaults are the paper's, but for the number of members.

    Attributes:
        task: regression (squared error) or classification (cross-entropy).
        epochs: passes over the training rows; the paper uses 5 and 30.
        members: K, networks of the ensemble; the paper has one.
        hidden: widths of the hidden layers; None: the paper's for the task.
        learning_rate: of Adam, for network and weights.
        minibatch_size: rows per optimiser step.

    Raises:
        LossValError: a setting out of range.
    """

    task: Task = "regression"
    epochs: int = 30
    members: int = 8
    hidden: tuple[int, ...] | None = None
    learning_rate: float = 0.01
    minibatch_size: int = 32

    def __post_init__(self) -> None:
        for name in ("epochs", "members", "minibatch_size"):
            if getattr(self, name) < 1:
                raise LossValError(f"{name} must be 1 or more, not {getattr(self, name)!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise LossValError(f"learning_rate must be above 0, not {self.learning_rate!r}")
        if self.hidden is not None and (not self.hidden or min(self.hidden) < 1):
            raise LossValError(f"hidden must be one or more positive widths, not {self.hidden!r}")

    @classmethod
    def of(cls, config: LossValConfig) -> Self:
        """The paper's loop with what a run may choose: task, epochs (None: 30), members."""
        return cls(task=config.task, epochs=config.epochs or 30, members=config.members)


@dataclass(frozen=True)
class PublishedPass:
    """Result of one pass.

    Attributes:
        result: data values: the final weights, which start at 1 and may become negative. `weights` are their
            positive part scaled to mean 1, for whoever weighs samples by them. `value_target_loss` and
            `value_transport` are how far each half of the loss has moved the weight, so value = 1 + both.
            `transport_cost` and `transport_divergence` are means over the minibatches of the last epoch, with
            the published masses. The curve has no held-out loss: every member trains on every row, so that
            column repeats the training loss.
        member_weights: (K, n) final weights of each member.
        network: the in-run network, trained with the LossVal loss, on CPU.
    """

    result: LossValResult
    member_weights: Matrix
    network: EnsembleNetwork


@dataclass(frozen=True)
class Objective:
    """The published loss of K minibatches and its gradient in the weights.

    Attributes:
        value: (K,) `sum_n w_n l_n * S^2`.
        target_gradient: (K, b) its derivative in w_n through the target loss, `l_n S^2`.
        transport_gradient: (K, b) through the transport, `2 S dS/dw_n sum_n w_n l_n`.
    """

    value: Tensor
    target_gradient: Tensor
    transport_gradient: Tensor


def objective(losses: Tensor, weights: Tensor, divergence: SinkhornDivergence) -> Objective:
    """The published loss: weighted target loss times squared divergence.

    Args:
        losses: (K, b) l_n.
        weights: (K, b) w_n.
        divergence: S and dS/dw_n.
    """
    weighted = (weights * losses).sum(dim=1)
    squared = divergence.value.square()
    return Objective(
        value=weighted * squared,
        target_gradient=losses * squared[:, None],
        transport_gradient=divergence.gradient * (2.0 * weighted * divergence.value)[:, None],
    )


def squared_errors(predictions: Tensor, y: Tensor) -> Tensor:
    """(K, b) `(y_n - yhat_n)^2`.

    Args:
        predictions: (K, b, 1).
        y: (K, b).
    """
    return (predictions.squeeze(-1) - y).square()


def cross_entropies(probabilities: Tensor, y: Tensor) -> Tensor:
    """(K, b) `-log(probability of the sample's class + 1e-8)`, as published.

    Args:
        probabilities: (K, b, c), the softmax of the network's outputs.
        y: (K, b) int64 class indices.
    """
    return -(probabilities.gather(-1, y.unsqueeze(-1)).squeeze(-1) + _INSIDE_LOGARITHM).log()


def train_published(
    X: Matrix,
    y: Matrix,
    target: Matrix,
    *,
    settings: PublishedSettings | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
    checkpoint: Checkpoint | None = None,
    resume: bytes | None = None,
) -> PublishedPass:
    """Value n samples with the published loop.

    Args:
        X: (n, d) encoded training features.
        y: (n,) standardised target, or class indices 0..c-1 for classification.
        target: (m, d) encoded features of the target domain (the paper's validation set).
        settings: the loop; None: the paper's, regression.
        seed: the only source of randomness.
        device: where network, weights and transport live; the latter two in float64.
        progress: called at least twice a second; what it raises passes through.
        checkpoint: called with the state between two epochs, at most once a second.
        resume: such a state of the same data, settings and seed, to go on from.

    Returns:
        A `PublishedPass`; same input, seed and machine give the same bytes, interrupted or not.

    Raises:
        CheckpointError: `resume` is of another run.
        LossValError: see `check_training_data`; or the training diverged.

    Cost: O(epochs n K (m + d h + h^2)) time for minibatches of fixed size, O(n (d + K)) memory.
    """
    run = PublishedRun(X, y, target, settings or PublishedSettings(), seed=seed, device=device)
    return drive(run, progress=progress, checkpoint=checkpoint, resume=resume)


class PublishedRun:
    """The published loop, epoch by epoch, so that it can be stored in between and taken up again.

    Arguments as for `train_published`.
    """

    def __init__(
        self,
        X: Matrix,
        y: Matrix,
        target: Matrix,
        settings: PublishedSettings,
        *,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        check_training_data(X, y, target, settings.task)
        self.settings, self.seed = settings, seed
        self.device = torch.device(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.X = torch.from_numpy(X).double().to(self.device)
        classification = settings.task == "classification"
        kind = torch.int64 if classification else torch.float32
        self.y = torch.from_numpy(y).to(self.device, kind)
        self.validation = ValidationSide(torch.from_numpy(target).double().to(self.device))
        self.diameters = self.validation.diameters(self.X)
        self.network = EnsembleNetwork(
            settings.members,
            X.shape[1],
            settings.hidden or _HIDDEN[settings.task],
            int(y.max()) + 1 if classification else 1,
            generator=self.generator,
            activation="relu" if classification else "tanh",
            initialization="linear",
        ).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        steps = settings.epochs * math.ceil(len(X) / settings.minibatch_size)
        self.weights = DataWeights(settings.members, len(X), steps, settings.learning_rate, self.device)
        self.epoch = 0
        self.curve: list[tuple[float, float, float, float]] = []
        self._reported = -math.inf

    @property
    def done(self) -> bool:
        return self.epoch >= self.settings.epochs

    def train_epoch(self, progress: Progress = no_progress) -> None:
        """One pass over the training rows.

        Raises:
            LossValError: a loss is not finite any more.
        """
        order = torch.stack(
            [torch.randperm(len(self.X), generator=self.generator) for _ in range(self.settings.members)]
        ).to(self.device)
        batches = order.split(self.settings.minibatch_size, dim=1)
        diameters = [self.diameters[rows].amax(dim=1) for rows in batches]
        self.validation.self_terms(torch.cat(diameters))
        figures = []
        for step, (rows, diameter) in enumerate(zip(batches, diameters, strict=True)):
            self._report(step / len(batches), progress)
            figures.append(self._step(rows, diameter))
        self._close_epoch(torch.stack(figures).sum(dim=0).tolist(), len(batches))

    def _report(self, part: float, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._reported >= _PROGRESS_SECONDS:
            self._reported = now
            progress(
                (self.epoch + part) / self.settings.epochs,
                f"epoch {self.epoch + 1} of {self.settings.epochs}",
            )

    def _step(self, rows: Tensor, diameters: Tensor) -> Tensor:
        """One optimiser step of every member; returns (3,) summed loss, mean divergence, mean cost."""
        X, y = self.X[rows], self.y[rows]
        weights = self.weights.begin_step(rows)
        divergence = self.validation.divergence(X, weights, diameters)
        losses = self._losses(self.network(X.float()), y)
        # The members share no parameter: the gradient of the sum is each member's own.
        factor = (weights * divergence.value.square()[:, None]).float()
        self.optimizer.zero_grad(set_to_none=True)
        (losses * factor).sum().backward()
        self.optimizer.step()
        losses = losses.detach().double()
        parts = objective(losses, weights, divergence)
        self.weights.end_step(parts.target_gradient, parts.transport_gradient)
        return torch.stack([(weights * losses).sum(), divergence.value.mean(), divergence.cost.mean()])

    def _losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.settings.task == "regression":
            return squared_errors(outputs, y)
        return cross_entropies(outputs.softmax(dim=-1), y)

    def _close_epoch(self, sums: list[float], steps: int) -> None:
        self.epoch += 1
        weights = self._member_weights()
        mean = weights.mean(dim=0)
        effective = float(mean.sum() ** 2 / mean.square().sum())
        loss = sums[0] / weights.numel()
        self.curve.append((loss, effective, sums[1] / steps, sums[2] / steps))
        if not (math.isfinite(loss) and bool(torch.isfinite(weights).all())):
            raise LossValError(
                f"the training diverged in epoch {self.epoch}; lower learning_rate or check the features for "
                "extreme values"
            )

    def _member_weights(self) -> Tensor:
        target, transport = self.weights.moved()
        return 1.0 + target + transport

    def state(self) -> bytes:
        """Checkpoint between two epochs; never pickle."""
        tensors = training_tensors(self.network, self.optimizer, self.generator)
        tensors |= {"weights": self.weights.state(), "self_terms": self.validation.state()}
        return pack(tensors, {**self._identity(), "epoch": self.epoch, "curve": self.curve})

    def restore(self, data: bytes) -> None:
        """Go on from `state()` of a run with the same data, settings and seed, to the same bytes.

        Raises:
            CheckpointError: foreign bytes, or those of another run.
        """
        tensors, state = unpack(data)
        check_identity(state, self._identity())
        restore_training(tensors, self.network, self.optimizer, self.generator)
        self.epoch = int(state["epoch"])
        steps = self.epoch * math.ceil(len(self.X) / self.settings.minibatch_size)
        self.weights.restore(tensors["weights"], steps)
        self.validation.restore(tensors["self_terms"])
        self.curve = [tuple(entry) for entry in state["curve"]]

    def _identity(self) -> dict[str, object]:
        """What a checkpoint must agree with."""
        settings = {**vars(self.settings), "hidden": list(self.settings.hidden or ())}
        return {
            "loop": "published",
            "seed": self.seed,
            "settings": settings,
            "rows": len(self.X),
            "columns": self.X.shape[1],
        }

    def finish(self) -> PublishedPass:
        """Values after the epochs trained so far, at least one."""
        target, transport = (moved.cpu() for moved in self.weights.moved())
        members = (1.0 + target + transport).numpy()
        values = members.mean(axis=0)
        losses, effective, divergence, cost = zip(*self.curve, strict=True)
        result = LossValResult(
            values=values,
            spread=members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros_like(values),
            value_target_loss=target.mean(dim=0).numpy(),
            value_transport=transport.mean(dim=0).numpy(),
            rank_stability=half_stability(members),
            weights=_positive_part(values),
            transport_cost=cost[-1],
            transport_divergence=divergence[-1],
            curve=TrainingCurve(losses, losses, effective),
        )
        return PublishedPass(result, members, self.network.cpu())


def _positive_part(values: Matrix) -> Matrix:
    """(n,) max(value, 0) scaled to mean 1; ones if no value is positive."""
    positive = np.maximum(values, 0.0)
    return positive / positive.mean() if positive.any() else np.ones_like(values)


def half_stability(members: Matrix) -> float | None:
    """Spearman correlation of the means of two disjoint halves of (K, n) member values; None for K = 1."""
    half = len(members) // 2
    if not half:
        return None
    return spearman(members[:half].mean(axis=0), members[half:].mean(axis=0))
