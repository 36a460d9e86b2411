"""Sketched full-network gradient features of an ensemble.

For member k with layers a_l = h_(l-1) W_l + b_l, h_l = tanh(a_l), h_0 = x and output f_k = a_L, let
delta_l = df_k / da_l be the backpropagated sensitivity of the output. The gradients of f_k are
df_k/dW_l = h_(l-1)^T delta_l and df_k/db_l = delta_l, so the gradient (neural tangent) kernel of a
network whose weights are written as W_l = w_l / sqrt(in_l) is

    k_k(x, x') = sum_l (h_(l-1) . h'_(l-1) / in_l + 1) (delta_l . delta'_l)

and the kernel of the ensemble is the mean over its members. The factor 1 / in_l (the "neural tangent
parametrisation") keeps wide layers from drowning the input layer.

The sketch never forms a gradient. Every layer's term is a product of two inner products, so a product of
two random projections estimates it without bias: with R_l (in_l, s), r_l (1, s) and S_l (out_l, s) of
independent standard normal entries,

    phi_k(x) = sum_l (h_(l-1) R_l / sqrt(in_l) + r_l) * (delta_l S_l) / sqrt(s)      (* is elementwise)
    E[phi_k(x) . phi_k(x')] = k_k(x, x'),   standard deviation about 2 sqrt(k(x, x) k(x', x') / s)

The projections of different layers are independent with mean zero, so the layers may be added. The
output layer's delta is the constant 1 and needs no projection. The members' sketches of s = p / K columns
each are concatenated: as good as p columns for each member added up, K times cheaper.

Source: Holzmueller, Zaverkin, Kaestner, Steinwart, "A Framework and Benchmark for Deep Batch Active
Learning for Regression", JMLR 24(164), 2023, sections 3.1 (full-network gradients), 3.2 (sketches of sums
and products of kernels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.acquisition.errors import InvalidProblemError
from worker.lossval.network import EnsembleNetwork


@dataclass(frozen=True)
class GradientSketch:
    """The random projections of one round: all rows of a round must be seen through the same ones.

    Attributes:
        activation: per layer (K, in_l, s), already divided by sqrt(in_l).
        bias: per layer (K, 1, s).
        sensitivity: per hidden layer (K, out_l, s); the output layer has none.
    """

    activation: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]
    sensitivity: tuple[Tensor, ...]

    @property
    def dimension(self) -> int:
        """Columns of the features: p rounded up to a multiple of the number of members."""
        members, _, columns = self.bias[0].shape
        return int(members * columns)


def draw_sketch(network: EnsembleNetwork, dimension: int, generator: torch.Generator) -> GradientSketch:
    """Draw the projections for an ensemble with one output.

    Args:
        network: the trained ensemble; its floating type becomes the sketch's. float32 is enough: the
            sketch's own error at p = 512 is near 9 %, rounding is near 1e-5 %.
        dimension: p, the number of feature columns wanted, at least 1.
        generator: a CPU generator, so that CPU and GPU see the same projections.

    Raises:
        InvalidProblemError: the network has several outputs, or dimension < 1.
    """
    *inputs, outputs = network.widths
    if outputs != 1:
        raise InvalidProblemError(
            f"The surrogate has {outputs} outputs; use a regression surrogate with one."
        )
    if dimension < 1:
        raise InvalidProblemError(f"sketch_dimension is {dimension}; set it to at least 1 (default 512).")
    columns = math.ceil(dimension / network.members)
    like = network.weights[0]

    def normal(rows: int, scale: float) -> Tensor:
        drawn = torch.randn(network.members, rows, columns, generator=generator, dtype=torch.float64)
        return (drawn * scale).to(like)

    return GradientSketch(
        activation=tuple(normal(width, 1.0 / math.sqrt(width)) for width in inputs),
        bias=tuple(normal(1, 1.0) for _ in inputs),
        sensitivity=tuple(normal(width, 1.0) for width in inputs[1:]),
    )


@torch.no_grad()
def gradient_features(
    network: EnsembleNetwork, X: Tensor, sketch: GradientSketch, *, block_rows: int = 512
) -> Tensor:
    """Features phi(x) whose inner products estimate the ensemble's mean gradient kernel (module docstring).

    Args:
        network: the ensemble, K members.
        X: (n, d) encoded inputs on the network's device and in its type.
        sketch: the round's projections, of p columns.
        block_rows: rows per block; bounds the memory to about block_rows * (p + K * sum of widths). 512 rows
            stay in the cache of a core: half the time of 4,096.

    Returns:
        (n, p) in the network's type. Cost O(n p (sum of widths)), memory linear in n only by the result.
    """
    features = X.new_empty((X.shape[0], sketch.dimension))
    for start in range(0, X.shape[0], block_rows):
        block = X[start : start + block_rows]
        features[start : start + block_rows] = _block_features(network, block, sketch)
    return features


def _block_features(network: EnsembleNetwork, X: Tensor, sketch: GradientSketch) -> Tensor:
    activations = _activations(network, X)
    last = len(activations) - 1
    total = torch.baddbmm(sketch.bias[last], activations[last], sketch.activation[last])
    delta = torch.ones_like(activations[0][:, :, :1])
    for layer in range(last - 1, -1, -1):
        # tanh' = 1 - tanh^2; activations[layer + 1] is the output of this layer
        delta = (delta @ network.weights[layer + 1].mT) * (1.0 - activations[layer + 1].square())
        projected = torch.baddbmm(sketch.bias[layer], activations[layer], sketch.activation[layer])
        total += projected * (delta @ sketch.sensitivity[layer])
    return total.permute(1, 0, 2).reshape(X.shape[0], -1) / math.sqrt(sketch.dimension)


@torch.no_grad()
def hidden_contributions(network: EnsembleNetwork, X: Tensor) -> Tensor:
    """What each unit of the last hidden layer adds to its member's output, for pictures of the input space.

    Two inputs are close here when the members take them for alike, and units that the output ignores do not count:
    the sum over a member's columns is its output without the bias.

    Args:
        network: the ensemble, K members of h units in the last hidden layer, one output.
        X: (n, d) encoded inputs on the network's device and in its type.

    Returns:
        (n, K h) in the network's type. Cost O(n K (sum of widths products)), memory n K h numbers.
    """
    weighted: Tensor = _activations(network, X)[-1] * network.weights[-1].mT
    return weighted.permute(1, 0, 2).reshape(X.shape[0], -1)


def _activations(network: EnsembleNetwork, X: Tensor) -> list[Tensor]:
    """h_0 ... h_(L-1), each (K, n, width): the inputs of every layer."""
    activations = [X.expand(network.members, -1, -1)]
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        activations.append(torch.tanh(torch.baddbmm(bias, activations[-1], weight)))
    return activations
