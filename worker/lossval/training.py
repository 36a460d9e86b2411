"""LossVal in mode `normalized`: one ensemble pass that trains the networks and values every sample.

The objective is the paper's product `L_w * OT_w^2` (arXiv 2412.04158, equation 3), taken as a logarithm:

    log L_w + 2 log OT_w,   gradient in w_n (up to a constant):   r_n / median(r) + 2 f_n / OT_w

with r_n the sample's loss and f_n its dual potential. The weights follow it by mirror descent on the simplex
with entropic regularisation tau: `w = n softmax(-gradient / tau)`, the gradient averaged over recent epochs.
So they have mean 1, are never negative, and neither half depends on a unit or on the number of samples.

What differs from the published loop, and why (measured in the tests and benchmarks):

- Cross-fitting: each member trains on a random part of the samples, and r_n is the loss of the members that
  do not train on sample n. A network that has fitted a wrong label no longer finds it suspicious.
- r_n is the absolute error for regression: the squared error lets a few outliers hide the other wrong labels.
- The networks see `log L_w` only: the transport term does not depend on them.
- Values are reported on a common robust scale: `min(-z of the late out-of-sample loss, -z of the transport)`.
  The transport component holds the isolation among the training features (the self term of the debiased
  transport) and `shift_influence` times the gradient of the debiased transport to the target domain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError
from worker.lossval.losses import cross_entropy, normalize_weights, squared_error, weighted_loss
from worker.lossval.network import EnsembleNetwork
from worker.lossval.problem import check_labels
from worker.lossval.result import LossValResult, TrainingCurve
from worker.lossval.transport import TargetPotential, Transport, isolation_potential, solve_transport

_DEFAULT_STEPS = 200
_LEAST_EPOCHS = 20
_MEMORY_EPOCHS = 20  # the weight gradient is a running mean over about this many epochs
_REFRESHES = 4  # solutions of the transport problem with the current weights
_LEAST_SAMPLES = 10


@dataclass(frozen=True)
class LossValPass:
    """Result of one pass.

    Attributes:
        result: data values and their components.
        network: the in-run network, trained with the LossVal loss, on CPU.
        held_out: (K, n) bool, True where a member did not train on a sample.
        target_potential: transport potential at any point, for candidates.
    """

    result: LossValResult
    network: EnsembleNetwork
    held_out: Tensor
    target_potential: TargetPotential


def train_lossval(
    X: Matrix,
    y: Matrix,
    target: Matrix,
    *,
    config: LossValConfig | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> LossValPass:
    """Value n samples in one training run.

    Args:
        X: (n, d) encoded training features.
        y: (n,) standardised target, or class indices 0..c-1 for classification.
        target: (m, d) encoded features of the target domain.
        config: settings.
        seed: the only source of randomness.
        device: where the network trains; the transport is solved in float64 on the CPU.
        progress: called every few steps; what it raises passes through.

    Returns:
        A `LossValPass`; same input, seed and machine give the same bytes.

    Raises:
        LossValError: see `check_training_data`; or the training diverged.

    Cost: O(epochs n K (d h + h^2)) time, O(n (d + K) + A^2) memory: linear in n (A: `max_anchors`).
    """
    config = config or LossValConfig()
    check_training_data(X, y, target, config)
    run = _Run(X, y, target, config, seed, device)
    epochs = config.epochs or max(_LEAST_EPOCHS, math.ceil(_DEFAULT_STEPS / run.steps_per_epoch))
    for epoch in range(epochs):
        if epoch % max(1, math.ceil(epochs / _REFRESHES)) == 0:
            run.solve_transport()
        run.train_epoch(epoch, epochs, progress)
    run.solve_transport()
    return run.finish()


def check_training_data(X: Matrix, y: Matrix, target: Matrix, config: LossValConfig) -> None:
    """Refuse what cannot be valued.

    Constant features are no error: they carry no information, the transport is then 0 for every sample and
    the values come from the target loss alone.

    Raises:
        LossValError: fewer than 10 samples, no target domain, no columns, anything not finite, a constant
            target, a single class, or class labels other than 0..c-1.
    """
    if len(X) < _LEAST_SAMPLES:
        raise LossValError(
            f"{len(X)} labelled training samples; at least {_LEAST_SAMPLES} are needed. Import more tests "
            "or move samples from validation to training"
        )
    if not len(target):
        raise LossValError(
            "no rows stand for the target domain; mark samples as validation or add candidates"
        )
    if len(y) != len(X) or X.shape[1] != target.shape[1]:
        raise LossValError(f"shapes do not fit: X {X.shape}, y {y.shape}, target domain {target.shape}")
    if not X.shape[1]:
        raise LossValError("the features have no column left; declare a feature that some training row has")
    for name, array in (("features", X), ("target", y), ("target-domain features", target)):
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise LossValError(f"{name}: row {row} has NaN or infinity; correct or remove that row")
    check_labels(y, config.task)


def split_members(members: int, n: int, held_out: int, generator: torch.Generator) -> Tensor:
    """(K, n) bool: for each sample exactly `held_out` members, drawn at random, do not train on it."""
    order = torch.rand(members, n, generator=generator).argsort(dim=0)
    return order.argsort(dim=0) < held_out


def minibatches(n: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """Index tensors that cover 0..n-1 once: shuffled and nearly equal, or one in order if n <= size."""
    if n <= size:
        return [torch.arange(n)]
    return list(torch.randperm(n, generator=generator).tensor_split(math.ceil(n / size)))


class _Run:
    """State of one pass, so that every step reads and writes the same few tensors."""

    def __init__(
        self, X: Matrix, y: Matrix, target: Matrix, config: LossValConfig, seed: int, device: str
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.n = len(X)
        self.X64, self.target64 = torch.from_numpy(X), torch.from_numpy(target)
        self.X = self.X64.float().to(self.device)
        regression = config.task == "regression"
        self.y = torch.from_numpy(y).to(torch.float32 if regression else torch.int64).to(self.device)
        self.held_out = split_members(config.members, self.n, config.held_out_members, self.generator).to(
            self.device
        )
        self.network = EnsembleNetwork(
            config.members,
            X.shape[1],
            config.hidden,
            1 if regression else int(y.max()) + 1,
            generator=self.generator,
        ).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay_for(self.n)
        )
        zeros = torch.zeros(self.n, device=self.device)
        self.weights = torch.ones_like(zeros)
        self.loss_gradient = zeros.clone()  # running mean of r_n / median(r)
        self.transport_gradient = zeros.clone()  # 2 f_n / OT_w
        self.late_loss = torch.zeros(config.members, self.n, device=self.device)
        self.late_epochs = 0
        self.curve: list[tuple[float, float, float]] = []

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.n / self.config.minibatch_size)

    def solve_transport(self) -> None:
        self.transport: Transport = solve_transport(
            self.X64,
            self.weights,
            self.target64,
            generator=self.generator,
            settings=self.config.transport,
        )
        cost = max(self.transport.cost, torch.finfo(torch.float64).tiny)
        self.transport_gradient = (2.0 * self.transport.gradient / cost).float().to(self.device)

    def train_epoch(self, epoch: int, epochs: int, progress: Progress) -> None:
        batches = minibatches(self.n, self.config.minibatch_size, self.generator)
        weighing = epoch - round(self.config.warmup * epochs)
        late = epoch >= epochs // 2
        figures = []
        for step, index in enumerate(batches):
            figures.append(self._step(index.to(self.device), weighing, late=late))
            if (epoch * len(batches) + step) % 5 == 0:
                progress((epoch + step / len(batches)) / epochs, f"epoch {epoch + 1} of {epochs}")
        self.late_epochs += late
        if weighing >= 0:
            gradient = self.loss_gradient + self.transport_gradient
            self.weights = normalize_weights(torch.softmax(-gradient / self.config.temperature, dim=0))
        train_loss, held_out_loss = torch.stack(figures).mean(dim=0).tolist()
        effective = float(self.n**2 / self.weights.square().sum())
        self.curve.append((train_loss, held_out_loss, effective))

    def _step(self, index: Tensor, weighing: int, *, late: bool) -> Tensor:
        """One optimiser step on the rows `index`; returns (2,) training and held-out loss."""
        held_out = self.held_out[:, index]
        losses = self._losses(self.network(self.X[index]), self.y[index])
        members_weights = (self.weights[index] * ~held_out).clamp_min(torch.finfo(torch.float32).tiny)
        train_loss = weighted_loss(losses, members_weights)
        self.optimizer.zero_grad(set_to_none=True)
        # The members share no parameter: the gradient of the sum is each member's own.
        train_loss.sum().backward()
        self.optimizer.step()
        losses = losses.detach()
        scores = losses.sqrt() if self.config.task == "regression" else losses
        if weighing >= 0:
            self._update_loss_gradient(index, scores, held_out, weighing)
        if late:
            self.late_loss[:, index] += scores
        held_out_loss = (losses * held_out).sum() / held_out.sum()
        return torch.stack([train_loss.detach().mean(), held_out_loss])

    def _losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        return squared_error(outputs, y) if self.config.task == "regression" else cross_entropy(outputs, y)

    def _update_loss_gradient(self, index: Tensor, scores: Tensor, held_out: Tensor, weighing: int) -> None:
        out_of_sample = (scores * held_out).sum(dim=0) / self.config.held_out_members
        relative = out_of_sample / out_of_sample.median().clamp_min(1e-6)
        known = self.loss_gradient[index]
        self.loss_gradient[index] = known + (relative - known) / min(weighing + 1, _MEMORY_EPOCHS)

    def finish(self) -> LossValPass:
        held_out = self.held_out.cpu()
        losses = (self.late_loss.double() / self.late_epochs).cpu()
        mean_loss = (losses * held_out).sum(dim=0) / self.config.held_out_members
        center, scale = robust_scale(mean_loss)
        target_loss = (center - mean_loss) / scale
        transport = -self._transport_component()
        member_values = torch.minimum((center - losses) / scale, transport)
        result = LossValResult(
            values=torch.minimum(target_loss, transport).numpy(),
            spread=_masked_sd(member_values, held_out).numpy(),
            weights=normalize_weights(self.weights.double().cpu()).numpy(),
            value_target_loss=target_loss.numpy(),
            value_transport=transport.numpy(),
            transport_cost=self.transport.cost,
            transport_divergence=self.transport.divergence,
            curve=TrainingCurve(*zip(*self.curve, strict=True)),
        )
        return LossValPass(result, self.network.cpu(), held_out, self.transport.target)

    def _transport_component(self) -> Tensor:
        """(n,) the worse of isolation and `shift_influence` times the pull away from the target domain."""
        uniform = torch.ones(self.n, dtype=torch.float64)
        isolation = isolation_potential(
            self.X64, uniform, generator=self.generator, settings=self.config.transport
        )
        shift = self.transport.divergence_gradient
        return torch.maximum(_robust_z(isolation), self.config.shift_influence * _robust_z(shift))


def robust_scale(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Median, and the larger of 1.4826 MAD and half the standard deviation.

    The MAD alone vanishes for cross-entropy, where most losses are near 0; the standard deviation alone is
    the outliers' own. Scores that are all equal get scale 1.
    """
    center = scores.median()
    scale = torch.maximum(1.4826 * (scores - center).abs().median(), 0.5 * scores.std())
    rounding = 1e-12 * scores.abs().max()
    return center, scale if bool(scale > rounding) else torch.ones_like(scale)


def _robust_z(scores: Tensor) -> Tensor:
    center, scale = robust_scale(scores)
    return (scores - center) / scale


def _masked_sd(values: Tensor, mask: Tensor) -> Tensor:
    """(n,) sample standard deviation of (K, n) values over the masked members; 0 if there is only one."""
    count = mask.sum(dim=0)
    mean = (values * mask).sum(dim=0) / count
    squares = ((values - mean).square() * mask).sum(dim=0)
    return (squares / (count - 1).clamp_min(1)).sqrt()
