"""Out-of-fold loss of a network ensemble: the plain detector of wrong labels.

Every network leaves out a part of the samples (K-fold cross-validation, Stone 1974); a sample that networks
fitted to the others cannot predict is suspicious. The baseline of confident learning (Northcutt et al., JAIR
2021) in its simplest form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from worker.lossval.config import LossValConfig, Progress, no_progress
from worker.lossval.losses import cross_entropy, squared_error
from worker.lossval.network import EnsembleNetwork
from worker.lossval.problem import ValuationProblem, check_problem
from worker.lossval.result import DataValues
from worker.lossval.training import minibatches, split_members

_DEFAULT_STEPS = 200
_BLOCK_ROWS = 8192

_LEFT_OUT = 0.25  # part of the members that do not train on a sample


@dataclass(frozen=True)
class OutOfFoldLoss:
    """Value = negative loss of the networks that did not train on the sample; spread over those networks.

    The loss is the absolute error for regression and the cross-entropy for classes, each network's own, then
    averaged. All networks train in one batched pass. No validation rows are used.

    Attributes:
        config: members, architecture and optimiser as for LossVal; `epochs` None = as many as
            make 200 steps.
        device: where the networks train.

    O(epochs n K (d h + h^2)) time, O(n (d + K)) memory.
    """

    config: LossValConfig = field(default_factory=LossValConfig)
    device: str = "cpu"

    def __call__(
        self, problem: ValuationProblem, *, seed: int = 0, progress: Progress = no_progress
    ) -> DataValues:
        check_problem(problem)
        generator = torch.Generator().manual_seed(seed)
        n, config = len(problem.X), self.config
        left_out = max(1, round(config.members * _LEFT_OUT))
        held_out = split_members(config.members, n, left_out, generator).to(self.device)
        X = torch.from_numpy(problem.X).float().to(self.device)
        y = torch.from_numpy(problem.y).to(torch.float32 if problem.task == "regression" else torch.int64)
        network = EnsembleNetwork(
            config.members, X.shape[1], config.hidden, problem.classes, generator=generator
        ).to(self.device)
        self._train(network, X, y.to(self.device), ~held_out, generator, progress)
        losses = _member_losses(network, X, y.to(self.device)).double().cpu()
        mask = held_out.cpu()
        count = mask.sum(dim=0)
        mean = (losses * mask).sum(dim=0) / count
        squares = ((losses - mean).square() * mask).sum(dim=0)
        spread = (squares / (count - 1).clamp_min(1)).sqrt()
        return DataValues(values=(-mean).numpy(), spread=spread.numpy())

    def _train(
        self,
        network: EnsembleNetwork,
        X: Tensor,
        y: Tensor,
        trained_on: Tensor,
        generator: torch.Generator,
        progress: Progress,
    ) -> None:
        config, n = self.config, len(X)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay_for(n)
        )
        epochs = config.epochs or math.ceil(_DEFAULT_STEPS / math.ceil(n / config.minibatch_size))
        for epoch in range(epochs):
            for index in minibatches(n, config.minibatch_size, generator):
                progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
                rows = index.to(X.device)
                mask = trained_on[:, rows]
                losses = _training_losses(network(X[rows]), y[rows])
                optimizer.zero_grad(set_to_none=True)
                # The members share no parameter: the gradient of the sum is each member's own.
                ((losses * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)).sum().backward()
                optimizer.step()


def _training_losses(outputs: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(outputs, y) if y.dtype == torch.int64 else squared_error(outputs, y)


@torch.no_grad()
def _member_losses(network: EnsembleNetwork, X: Tensor, y: Tensor) -> Tensor:
    """(K, n) absolute error or cross-entropy of every member on every sample."""
    losses = [
        _training_losses(network(rows), targets)
        for rows, targets in zip(X.split(_BLOCK_ROWS), y.split(_BLOCK_ROWS), strict=True)
    ]
    joined = torch.cat(losses, dim=1)
    return joined if y.dtype == torch.int64 else joined.sqrt()
