"""Training of a plain ensemble, optionally with the data values as sample weights, as a serving surrogate.

Kept apart from the valuation pass: the network trained with the LossVal loss is often the worse predictor on
clean data, so it serves only where it wins on validation rows.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.encoding import FeatureEncoder, Matrix, Row
from worker.lossval.intervals import Residuals, calibrate
from worker.lossval.losses import squared_error, weighted_loss
from worker.lossval.network import EnsembleNetwork
from worker.lossval.surrogate import Surrogate, TargetScaling, member_outputs, residual_noise
from worker.lossval.training import minibatches, split_members

_DEFAULT_STEPS = 1000
_LEAST_EPOCHS = 40
_EVALUATION_STEPS = 10
_EVALUATION_ROWS = 2048  # the first rows of each kind: evaluation must not cost more than training


@dataclass(frozen=True)
class FittedSurrogate:
    """A surrogate with what its members say about the training rows that they were not trained on.

    Attributes:
        surrogate: with intervals for labels that are all right.
        residuals: out-of-fold predictions beside the labels, in target units.
    """

    surrogate: Surrogate
    residuals: Residuals

    def calibrated(self, wrong_label_share: float) -> Surrogate:
        """The surrogate with intervals for a training set of which that share is labelled wrongly."""
        return replace(self.surrogate, calibration=calibrate(self.residuals, wrong_label_share))


def fit_surrogate(
    encoder: FeatureEncoder,
    rows: Sequence[Row],
    y: Matrix,
    *,
    weights: Matrix | None = None,
    validation: tuple[Sequence[Row], Matrix] | None = None,
    config: LossValConfig | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> FittedSurrogate:
    """Train an ensemble with early stopping.

    Every row is left out by exactly one member, so that out-of-fold residuals exist for the noise estimate
    and, without validation rows, for early stopping; the mean over the members still uses every row.

    Args:
        encoder: fitted on the training rows.
        rows: n training rows.
        y: (n,) target in its own units, not constant.
        weights: (n,) data weights (any positive scale); None = all equal.
        validation: labelled rows of the target domain for early stopping and the noise estimate.
        config: architecture and optimiser; see `LossValConfig`.
        seed: the only source of randomness.
        device: where it trains; the returned network is on the CPU.
        progress: called every few steps; what it raises passes through.

    Returns:
        The surrogate of the step with the lowest error, with its residuals. Cost: O(steps minibatch K (d h + h^2)).
    """
    config = config or LossValConfig()
    target = TargetScaling.fit(y)
    fit = _Fit(encoder.transform(rows), target.scale(y), weights, config, seed, device)
    scaled = None
    if validation is not None:
        scaled = encoder.transform(validation[0]), target.scale(validation[1])
        fit.watch(*scaled)
    fit.run(progress)
    return wrap_network(
        fit.network.cpu(), fit.held_out.cpu(), encoder, target, fit.X64, fit.y64, weights, scaled
    )


def wrap_network(
    network: EnsembleNetwork,
    held_out: Tensor,
    encoder: FeatureEncoder,
    target: TargetScaling,
    X: Matrix,
    y: Matrix,
    weights: Matrix | None,
    validation: tuple[Matrix, Matrix] | None,
) -> FittedSurrogate:
    """A trained network as a surrogate with its noise estimate and residuals.

    Args:
        network: trained on scaled targets, on CPU.
        held_out: (K, n) bool, which members did not train on a row.
        encoder: rows -> X.
        target: scaling of y.
        X: (n, d) encoded training rows.
        y: (n,) scaled target.
        weights: (n,) data weights for the noise estimate without validation rows, or None.
        validation: encoded rows and scaled target; where given, the noise comes from the ensemble's errors
            there, else from the out-of-fold errors of the members.
    """
    outputs = member_outputs(network, X)
    mask = held_out.numpy()
    out_of_fold = (np.square(outputs - y) * mask).sum(axis=0) / mask.sum(axis=0)
    residuals = Residuals(
        y=target.restore(y),
        predicted=target.restore((outputs * mask).sum(axis=0) / mask.sum(axis=0)),
        spread=outputs.std(axis=0, ddof=1) * target.sd,
    )
    if validation is None:
        noise = residual_noise(out_of_fold, outputs, weights)
    else:
        on_validation = member_outputs(network, validation[0])
        noise = residual_noise(np.square(on_validation.mean(axis=0) - validation[1]), on_validation)
    surrogate = Surrogate(
        encoder=encoder,
        network=network,
        target=target,
        noise_sd=math.sqrt(noise) * target.sd,
        out_of_fold_rmse=math.sqrt(float(out_of_fold.mean())) * target.sd,
        calibration=calibrate(residuals),
    )
    return FittedSurrogate(surrogate, residuals)


class _Fit:
    """State of one surrogate training."""

    def __init__(
        self, X: Matrix, y: Matrix, weights: Matrix | None, config: LossValConfig, seed: int, device: str
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.X64, self.y64 = X, y
        self.X, self.y = self._tensor(X), self._tensor(y)
        held_out = split_members(config.members, len(X), 1, self.generator)
        self.held_out = held_out.to(self.device)
        weight = self._tensor(np.ones(len(X)) if weights is None else weights)
        self.weights = (weight * ~self.held_out).clamp_min(torch.finfo(torch.float32).tiny)
        self.network = EnsembleNetwork(
            config.members, X.shape[1], config.hidden, 1, generator=self.generator
        ).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay_for(len(X))
        )
        self.validation: tuple[Tensor, Tensor] | None = None
        self.best = math.inf
        self.best_state = copy.deepcopy(self.network.state_dict())
        self.waited = 0

    def _tensor(self, array: Matrix) -> Tensor:
        return torch.from_numpy(np.asarray(array, dtype=np.float64)).float().to(self.device)

    def watch(self, X: Matrix, y: Matrix) -> None:
        """Stop on these rows instead of on the out-of-fold error."""
        self.validation = self._tensor(X[:_EVALUATION_ROWS]), self._tensor(y[:_EVALUATION_ROWS])

    def run(self, progress: Progress) -> None:
        batches = math.ceil(len(self.X) / self.config.minibatch_size)
        epochs = self.config.surrogate_epochs or max(_LEAST_EPOCHS, math.ceil(_DEFAULT_STEPS / batches))
        step = 0
        for epoch in range(epochs):
            for index in minibatches(len(self.X), self.config.minibatch_size, self.generator):
                self._step(index.to(self.device))
                step += 1
                if step % _EVALUATION_STEPS == 0:
                    progress(step / (epochs * batches), f"surrogate epoch {epoch + 1}, at most {epochs}")
                    self._evaluate()
            if self.waited >= self.config.patience:
                break
        self._evaluate()
        self.network.load_state_dict(self.best_state)

    def _step(self, index: Tensor) -> None:
        losses = squared_error(self.network(self.X[index]), self.y[index])
        self.optimizer.zero_grad(set_to_none=True)
        loss = weighted_loss(losses, self.weights[:, index]).sum()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def _evaluate(self) -> None:
        error = self._validation_error() if self.validation else self._out_of_fold_error()
        self.waited += 1
        if error < self.best:
            self.best, self.waited = error, 0
            self.best_state = copy.deepcopy(self.network.state_dict())

    def _validation_error(self) -> float:
        assert self.validation is not None
        X, y = self.validation
        return float((self.network(X).squeeze(-1).mean(dim=0) - y).square().mean())

    def _out_of_fold_error(self) -> float:
        rows = slice(_EVALUATION_ROWS)
        losses = squared_error(self.network(self.X[rows]), self.y[rows])
        # The held-out member's loss, weighted as in training: a wrong label should not decide the stop.
        weight = self.weights[:, rows].max(dim=0).values
        return float((losses * self.held_out[:, rows] * weight).sum() / weight.sum())
