"""The data weights of the published loop under Adam, at the cost of a minibatch a step.

PyTorch's Adam moves every weight at every step: one whose sample is not in the minibatch has a zero gradient
and drifts on by its decaying momentum. Done literally that is O(n) work a step, O(n^2) an epoch. But the drift
over k idle steps has a closed form: with m and v decaying by beta1 and beta2 a step it is

    m / sqrt(v) * sum over j = 1..k of rho^j c_(t+j),   rho = beta1 / sqrt(beta2),
    c_t = lr sqrt(1 - beta2^t) / (1 - beta1^t)

and the sum is the difference of two entries of a table (Adam's epsilon of 1e-8 is dropped in idle steps; the
gradients of the published loss are about 1e7). So a weight is brought up to date when its sample comes.

Adam's first moment is linear in the gradient. One is kept for each half of the loss, so each weight's way
from 1 splits into what the target loss and what the transport moved.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_RHO = _BETA1 / _BETA2**0.5
_TAIL = 500  # rho^500 < 1e-22
_COLUMNS = (
    6  # first moments (target loss, transport), second moment, moved (target loss, transport), last step
)


class DataWeights:
    """K x n data weights, all 1 at first, under Adam with rows that are idle most of the time.

    Args:
        members: K.
        n: number of training samples.
        steps: optimiser steps of the whole run.
        learning_rate: of Adam.
        device: where the weights live, in float64.

    Memory O(K n + steps).
    """

    def __init__(self, members: int, n: int, steps: int, learning_rate: float, device: torch.device) -> None:
        self.members, self.n = members, n
        self.step_count = 0
        self._state = torch.zeros(members * n, _COLUMNS, dtype=torch.float64, device=device)
        self._first_row = (torch.arange(members, device=device) * n)[:, None]
        step = torch.arange(1, steps + _TAIL + 1, dtype=torch.float64)
        self._rates = (learning_rate * (1 - _BETA2**step).sqrt() / (1 - _BETA1**step)).tolist()
        reach = [0.0]
        for rate in reversed(self._rates):
            reach.append(_RHO * (rate + reach[-1]))
        # Entry t: the sum over all j >= 1 of rho^j c_(t+j).
        self._reach = torch.tensor(reach[::-1], dtype=torch.float64, device=device)
        self._moment_decays = torch.tensor([_BETA1, _BETA1, _BETA2], dtype=torch.float64, device=device)

    def begin_step(self, rows: Tensor) -> Tensor:
        """Weights of a minibatch before its step.

        Args:
            rows: (K, b) row indices, distinct within a member.

        Returns:
            (K, b).
        """
        self._flat = (rows + self._first_row).reshape(-1)
        self._block = self._brought_up(self._state[self._flat])
        return (1.0 + self._block[:, 3] + self._block[:, 4]).view(rows.shape)

    def end_step(self, target_gradient: Tensor, transport_gradient: Tensor) -> None:
        """One Adam step on the rows of `begin_step`.

        Args:
            target_gradient: (K, b), d loss / dw_n through the target loss.
            transport_gradient: (K, b), through the transport.
        """
        self.step_count += 1
        block = self._block
        parts = torch.stack([target_gradient.reshape(-1), transport_gradient.reshape(-1)], dim=1)
        block[:, :2].mul_(_BETA1).add_(parts, alpha=1 - _BETA1)
        block[:, 2].mul_(_BETA2).add_(parts.sum(dim=1).square(), alpha=1 - _BETA2)
        rate = self._rates[self.step_count - 1]
        epsilon = _EPSILON * (1 - _BETA2**self.step_count) ** 0.5
        block[:, 3:5] -= rate * block[:, :2] / (block[:, 2:3].sqrt() + epsilon)
        block[:, 5] = self.step_count
        self._state[self._flat] = block

    def moved(self) -> tuple[Tensor, Tensor]:
        """How far each weight has come from 1 through the target loss and through the transport.

        Returns:
            Two (K, n); 1 + their sum are the weights.
        """
        self._state = self._brought_up(self._state)
        target, transport = self._state[:, 3], self._state[:, 4]
        return target.view(self.members, self.n), transport.view(self.members, self.n)

    def _brought_up(self, block: Tensor) -> Tensor:
        """Rows of the state after the idle steps since each one's last step."""
        block = block.clone()
        last = block[:, 5].long()
        idle = self.step_count - block[:, 5]
        drift = self._reach[last] - _RHO**idle * self._reach[self.step_count]
        block[:, 3:5] -= drift[:, None] * block[:, :2] / (block[:, 2:3].sqrt() + _EPSILON)
        block[:, :3] *= self._moment_decays ** idle[:, None]
        block[:, 5] = self.step_count
        return block

    def state(self) -> Tensor:
        """Everything that changes, for a checkpoint between two steps, beside `step_count`."""
        return self._state

    def restore(self, state: Tensor, step_count: int) -> None:
        """Take up what `state` gave."""
        self._state = state.to(self._state.device)
        self.step_count = step_count
