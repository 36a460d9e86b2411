"""A small ensemble of multilayer perceptrons whose members are trained in one batched pass.

All members share one forward pass: every layer is a batched matrix product over the member axis, so K
small networks cost little more than one on a CPU and nothing more than one on a GPU.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["tanh", "relu"]
Initialization = Literal["glorot", "linear"]


class EnsembleNetwork(nn.Module):
    """K independent multilayer perceptrons.

    Args:
        members: K, the number of members.
        inputs: d, the number of input columns (already encoded and scaled).
        hidden: widths of the hidden layers.
        outputs: o, 1 for regression, the number of classes (logits) for classification.
        generator: the only source of randomness for the initial weights.
        activation: of the hidden layers, `tanh` or `relu`.
        initialization: `glorot` (uniform within sqrt(6 / (fan in + fan out)), biases 0; suits tanh: Glorot and
            Bengio, AISTATS 2010), or `linear`, what `torch.nn.Linear` does (weights and biases uniform within
            1 / sqrt(fan in)).

    Shapes: `weights[l]` is (K, in_l, out_l), `biases[l]` is (K, 1, out_l).
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        generator: torch.Generator,
        activation: Activation = "tanh",
        initialization: Initialization = "glorot",
    ) -> None:
        super().__init__()
        self.activation = activation
        glorot = initialization == "glorot"
        widths = [inputs, *hidden, outputs]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in itertools.pairwise(widths):
            bound = math.sqrt(6.0 / (fan_in + fan_out)) if glorot else 1.0 / math.sqrt(fan_in)
            weight = torch.empty(members, fan_in, fan_out).uniform_(-bound, bound, generator=generator)
            self.weights.append(nn.Parameter(weight))
            bias = torch.zeros(members, 1, fan_out)
            self.biases.append(
                nn.Parameter(bias if glorot else bias.uniform_(-bound, bound, generator=generator))
            )

    @property
    def members(self) -> int:
        return int(self.weights[0].shape[0])

    @property
    def widths(self) -> list[int]:
        """[d, hidden..., o]: enough to rebuild the network."""
        return [int(self.weights[0].shape[1]), *(int(weight.shape[2]) for weight in self.weights)]

    def forward(self, X: Tensor) -> Tensor:
        """Outputs of every member.

        Args:
            X: (n, d), the same rows for all members, or (K, n, d), rows of each member's own.

        Returns:
            (K, n, o).
        """
        hidden = X.expand(self.members, -1, -1) if X.dim() == 2 else X
        last = len(self.weights) - 1
        activate = torch.tanh if self.activation == "tanh" else torch.relu
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            if layer < last:
                hidden = activate(hidden)
        return hidden
