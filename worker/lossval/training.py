"""LossVal in mode `normalized`: one ensemble pass that trains the networks and values every sample.

The objective is the paper's product `L_w * OT_w^2` (arXiv 2412.04158, equation 3), taken as a logarithm, with an
entropy as regulariser of the weights: so neither half depends on a unit or on the number of samples, and the
best weights have a closed form (`mixture.py`),

    w_n  proportional to  P(sample n is sound | its out-of-sample loss, its isolation) * exp(-2 a dS/dw_n / OT_w)

scaled to mean 1 and never negative. S is the debiased transport of the weighted training set to the target
domain; a, at most `shift_influence`, is the part of S that is a shift and not chance (`shift_strength`), so the
last factor is 1 for every sample when the two are alike. The temperature of the weights is the scale of the sound
residuals, found by maximum likelihood as the training goes on: no setting.

What differs from the published loop, and why (measured in the benchmarks):

- Cross-fitting: each member trains on a random half of the samples, and a sample's weight learns only from the
  members that do not train on it. A network that has fitted a wrong label no longer finds it suspicious.
- The networks see `log L_w` only: the transport term does not depend on them.
- The evidence about features is the *isolation*, the self term of the debiased transport, which the published
  loop drowns in the mass that its minibatch lacks.
- Two disjoint half ensembles learn weights of their own: how well their values agree is the rank stability.

A value is `P(sound) * R`, R = min(1, exp(-2 a dS/dw_n / OT_w)), in [0, 1]; what the labels decide of it is
`1 - P(wrong label)`, what the features decide `(1 - P(wrong features)) * R`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
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
from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError
from worker.lossval.losses import cross_entropy, normalize_weights, squared_error, weighted_loss
from worker.lossval.mixture import (
    ClassProbabilities,
    Mixture,
    Residuals,
    density_of_values,
    prediction_variance,
    scaled_isolation,
)
from worker.lossval.network import EnsembleNetwork
from worker.lossval.problem import check_training_data
from worker.lossval.result import LossValResult, TrainingCurve, Vector, spearman
from worker.lossval.transport import (
    TargetPotential,
    Transport,
    isolation_potential,
    shift_strength,
    solve_transport,
)

_DEFAULT_STEPS = 200
_LEAST_EPOCHS = 20
_SMALLEST_MINIBATCH = 16
_WEIGHT_UPDATES = 40  # about so often the weights are solved for
_FIRST_FIT, _REFIT, _LAST_FIT = 60, 10, 60  # iterations of EM
_MOST_PULL = 5.0  # bound of the exponent of the relevance
_STATE = ("weights", "recent_scores", "late_scores")


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
    checkpoint: Checkpoint | None = None,
    resume: bytes | None = None,
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
        checkpoint: called with the state between two epochs, at most once a second.
        resume: such a state of the same data, configuration and seed, to go on from.

    Returns:
        A `LossValPass`; same input, seed and machine give the same bytes, interrupted or not.

    Raises:
        LossValError: see `check_training_data`; or the training diverged.
        CheckpointError: `resume` is of another run.

    Cost: O(epochs n K (d h + h^2)) time, O(n (d + K) + A^2) memory: linear in n (A: `max_anchors`).
    """
    config = config or LossValConfig()
    check_training_data(X, y, target, config.task)
    run = ValuationRun(X, y, target, config, seed, device)
    return drive(run, progress=progress, checkpoint=checkpoint, resume=resume)


def default_epochs(n: int, minibatch_size: int) -> int:
    """As many passes as make 200 optimiser steps, at least 20."""
    return max(_LEAST_EPOCHS, math.ceil(_DEFAULT_STEPS / math.ceil(n / minibatch_size)))


def split_members(members: int, n: int, held_out: int, generator: torch.Generator) -> Tensor:
    """(K, n) bool: for each sample exactly `held_out` members, drawn at random, do not train on it."""
    order = torch.rand(members, n, generator=generator).argsort(dim=0)
    return order.argsort(dim=0) < held_out


def minibatches(n: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """Index tensors that cover 0..n-1 once: shuffled and nearly equal, or one in order if n <= size."""
    if n <= size:
        return [torch.arange(n)]
    return list(torch.randperm(n, generator=generator).tensor_split(math.ceil(n / size)))


@dataclass(frozen=True)
class _Explained:
    """A fitted mixture, the prediction variance it was given, and its (3, n) probabilities."""

    mixture: Mixture
    variance: Vector | float
    probabilities: Matrix


class ValuationRun:
    """State of one pass, so that every step reads and writes the same few tensors.

    What a member says of a sample, its *score*, is its prediction (regression) or the probability that it
    gives to the sample's own class (classification).
    """

    def __init__(
        self, X: Matrix, y: Matrix, target: Matrix, config: LossValConfig, seed: int, device: str
    ) -> None:
        self.config, self.seed = config, seed
        self.device = torch.device(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.n, self.y64 = len(X), y
        self.X64, self.target64 = torch.from_numpy(X), torch.from_numpy(target)
        self.X = self.X64.float().to(self.device)
        self.regression = config.task == "regression"
        self.y = torch.from_numpy(y).to(torch.float32 if self.regression else torch.int64).to(self.device)
        self.classes = 1 if self.regression else int(y.max()) + 1
        self.density = density_of_values(y) if self.regression else y
        self.halves = config.half_ensembles
        held_out = [split_members(k, self.n, config.held_out_of(k), self.generator) for k in self.halves]
        self.held_out = torch.cat(held_out).to(self.device)
        self.network = EnsembleNetwork(
            config.members, X.shape[1], config.hidden, self.classes, generator=self.generator
        ).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.valuation_learning_rate,
            weight_decay=config.weight_decay_for(self.n),
        )
        uniform = torch.ones(self.n, dtype=torch.float64)
        isolation = isolation_potential(
            self.X64, uniform, generator=self.generator, settings=config.isolation
        )
        self.isolation = scaled_isolation(isolation.numpy(), X.shape[1])
        self.weights = torch.ones(len(self.halves), self.n, device=self.device)
        self.recent_scores = torch.zeros_like(self.weights)  # of the left-out members of each half
        self.late_scores = torch.zeros(config.members, self.n, device=self.device)
        self.relevance: Vector = np.ones(self.n)
        self.shift: float | None = None  # part of the divergence that is a shift
        self.mixtures: list[Mixture] | None = None
        self.epoch = self.late_epochs = 0
        self.curve: list[tuple[float, float, float]] = []

        self.epochs = config.epochs or default_epochs(self.n, config.minibatch_size)
        # Few epochs of few rows are cut into smaller minibatches: a network needs its steps to learn anything.
        rows_for_steps = math.ceil(self.n * self.epochs / _DEFAULT_STEPS)
        self.minibatch_size = min(config.minibatch_size, max(rows_for_steps, _SMALLEST_MINIBATCH))
        # The running mean of a sample's scores reaches over a twentieth of the epochs.
        self.memory = max(0.0, 1.0 - 20.0 / self.epochs)

    @property
    def done(self) -> bool:
        return self.epoch >= self.epochs

    def train_epoch(self, progress: Progress = no_progress) -> None:
        """One pass over the training rows."""
        epochs = self.epochs
        batches = minibatches(self.n, self.minibatch_size, self.generator)
        late = self.epoch >= epochs // 2
        figures = []
        for step, index in enumerate(batches):
            figures.append(self._step(index.to(self.device), late=late))
            if (self.epoch * len(batches) + step) % 5 == 0:
                progress((self.epoch + step / len(batches)) / epochs, f"epoch {self.epoch + 1} of {epochs}")
        self.late_epochs += late
        warmed = self.epoch - round(self.config.warmup * epochs)
        if warmed >= 0 and warmed % max(1, epochs // _WEIGHT_UPDATES) == 0:
            self._update_weights()
        train_loss, held_out_loss = torch.stack(figures).mean(dim=0).tolist()
        effective = float((self.n**2 / self.weights.square().sum(dim=1)).mean())
        self.curve.append((train_loss, held_out_loss, effective))
        self.epoch += 1

    def _step(self, index: Tensor, *, late: bool) -> Tensor:
        """One optimiser step on the rows `index`; returns (2,) training and held-out loss."""
        held_out = self.held_out[:, index]
        outputs, y = self.network(self.X[index]), self.y[index]
        losses = squared_error(outputs, y) if self.regression else cross_entropy(outputs, y)
        own = self._of_members(self.weights[:, index])
        train_loss = weighted_loss(losses, (own * ~held_out).clamp_min(torch.finfo(torch.float32).tiny))
        self.optimizer.zero_grad(set_to_none=True)
        # The members share no parameter: the gradient of the sum is each member's own.
        train_loss.sum().backward()
        self.optimizer.step()
        losses = losses.detach()
        scores = outputs.detach().squeeze(-1) if self.regression else (-losses).exp()
        seen = self.recent_scores[:, index]
        memory = self.memory if self.epoch else 0.0
        self.recent_scores[:, index] = memory * seen + (1 - memory) * self._left_out_mean(scores, held_out)
        if late:
            self.late_scores[:, index] += scores
        return torch.stack([train_loss.detach().mean(), (losses * held_out).sum() / held_out.sum()])

    def _of_members(self, of_halves: Tensor) -> Tensor:
        """(halves, n) -> (K, n)."""
        return of_halves.repeat_interleave(torch.tensor(self.halves, device=self.device), dim=0)

    def _left_out_mean(self, scores: Tensor, held_out: Tensor) -> Tensor:
        """(K, n) scores -> (halves, n) means over the members of each half that do not train on the sample."""
        parts = zip(scores.split(self.halves), held_out.split(self.halves), strict=True)
        return torch.stack([(part * mask).sum(dim=0) / mask.sum(dim=0) for part, mask in parts])

    def _evidence(self, score: Tensor, variance: Vector | float = 0.0) -> Residuals | ClassProbabilities:
        array = score.double().cpu().numpy()
        if not np.isfinite(array).all():
            raise LossValError("the training diverged; lower valuation_learning_rate or check the features")
        if self.regression:
            return Residuals(self.y64 - array, self.density, variance)
        return ClassProbabilities(array, self.classes)

    def _update_weights(self) -> None:
        evidence = [self._evidence(score) for score in self.recent_scores]
        if self.mixtures is None:
            self.solve_transport()
            self.mixtures = [Mixture.start(item).fit(item, self.isolation, _FIRST_FIT) for item in evidence]
        else:
            self.mixtures = [
                mixture.fit(item, self.isolation, _REFIT)
                for mixture, item in zip(self.mixtures, evidence, strict=True)
            ]
        for half, (mixture, item) in enumerate(zip(self.mixtures, evidence, strict=True)):
            sound = mixture.probabilities(item, self.isolation)[0]
            self.weights[half] = normalize_weights(torch.from_numpy(sound * self.relevance)).float()

    def solve_transport(self) -> Transport:
        """Transport of the weighted training set, and the relevance that follows from it."""
        weights = self.weights.double().mean(dim=0)
        transport = solve_transport(
            self.X64, weights, self.target64, generator=self.generator, settings=self.config.transport
        )
        if self.shift is None:
            strength = shift_strength(
                self.X64,
                self.target64,
                transport.divergence,
                generator=self.generator,
                settings=self.config.transport,
            )
            self.shift = self.config.shift_influence * strength
        cost = max(transport.cost, torch.finfo(torch.float64).tiny)
        pull = self.shift * 2.0 * transport.divergence_gradient / cost
        self.relevance = (-pull).clamp(-_MOST_PULL, _MOST_PULL).exp().numpy()
        return transport

    def state(self) -> bytes:
        """Checkpoint between two epochs."""
        tensors = training_tensors(self.network, self.optimizer, self.generator)
        tensors |= {name: getattr(self, name) for name in _STATE}
        tensors["relevance"] = torch.from_numpy(self.relevance)
        mixtures = None if self.mixtures is None else [asdict(mixture) for mixture in self.mixtures]
        state = {name: getattr(self, name) for name in ("epoch", "late_epochs", "shift", "curve")}
        return pack(tensors, {**self._identity(), **state, "mixtures": mixtures})

    def restore(self, data: bytes) -> None:
        """Go on from `state()` of a run with the same data, configuration and seed.

        Raises:
            CheckpointError: foreign bytes, or those of another run.
        """
        tensors, state = unpack(data)
        check_identity(state, self._identity())
        restore_training(tensors, self.network, self.optimizer, self.generator)
        for name in _STATE:
            setattr(self, name, tensors[name].to(self.device))
        self.relevance = tensors["relevance"].numpy()
        self.epoch, self.late_epochs, self.shift = state["epoch"], state["late_epochs"], state["shift"]
        self.curve = [tuple(entry) for entry in state["curve"]]
        if state["mixtures"] is not None:
            self.mixtures = [Mixture.from_dict(document) for document in state["mixtures"]]

    def _identity(self) -> dict[str, object]:
        """What a checkpoint must agree with."""
        return {"loop": "normalized", "seed": self.seed, "rows": self.n, "config": asdict(self.config)}

    def finish(self) -> LossValPass:
        transport = self.solve_transport()
        scores, relevance = self.late_scores / self.late_epochs, np.minimum(self.relevance, 1.0)
        pooled = self._explain(scores, self.held_out)
        sound, wrong_label, wrong_features = pooled.probabilities
        result = LossValResult(
            values=sound * relevance,
            spread=self._spread(scores, pooled) * relevance,
            value_target_loss=1.0 - wrong_label,
            value_transport=(1.0 - wrong_features) * relevance,
            rank_stability=self._rank_stability(scores, relevance),
            weights=normalize_weights(torch.from_numpy(sound * self.relevance)).numpy(),
            transport_cost=transport.cost,
            transport_divergence=transport.divergence,
            curve=TrainingCurve(*zip(*self.curve, strict=True)),
        )
        return LossValPass(result, self.network.cpu(), self.held_out.cpu(), transport.target)

    def _explain(self, scores: Tensor, held_out: Tensor) -> _Explained:
        """What the left-out members among (k, n) scores say together."""
        variance: Vector | float = 0.0
        if self.regression:
            variance = prediction_variance(
                scores.double().cpu().numpy(), held_out.cpu().numpy(), self.isolation
            )
        evidence = self._evidence((scores * held_out).sum(dim=0) / held_out.sum(dim=0), variance)
        mixture = Mixture.start(evidence).fit(evidence, self.isolation, _LAST_FIT)
        return _Explained(mixture, variance, mixture.probabilities(evidence, self.isolation))

    def _spread(self, scores: Tensor, pooled: _Explained) -> Vector:
        """(n,) standard deviation of P(sound) over the members that do not train on the sample."""
        evidence = [self._evidence(score, pooled.variance) for score in scores]
        sound = np.stack([pooled.mixture.probabilities(item, self.isolation)[0] for item in evidence])
        return _masked_sd(sound, self.held_out.cpu().numpy())

    def _rank_stability(self, scores: Tensor, relevance: Vector) -> float | None:
        """Spearman correlation of the values of both half ensembles; None when there is only one."""
        if len(self.halves) < 2:
            return None
        parts = zip(scores.split(self.halves), self.held_out.split(self.halves), strict=True)
        first, second = (self._explain(*part).probabilities[0] * relevance for part in parts)
        return spearman(first, second)


def _masked_sd(values: Matrix, mask: NDArray[np.bool_]) -> Vector:
    """(n,) sample standard deviation of (K, n) values over the masked members; 0 if there is only one."""
    count = mask.sum(axis=0)
    mean = (values * mask).sum(axis=0) / count
    squares = ((values - mean) ** 2 * mask).sum(axis=0)
    sd: Vector = np.sqrt(squares / np.maximum(count - 1, 1))
    return sd
