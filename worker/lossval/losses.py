"""The target losses of LossVal: per-sample losses of every ensemble member and their weighted mean.

Source: Wibiral et al., LossVal, arXiv 2412.04158, section 3: `MSE_w = sum_n w_n (y_n - yhat_n)^2` and
`CE_w = -sum_n w_n sum_k y_nk log(yhat_nk)`. Here the weights are normalised to mean 1 and the sum is a mean,
so that neither the number of samples nor a common factor of the weights changes the size of a step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as torch_cross_entropy

from worker.lossval.errors import LossValError


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """`(y_n - yhat_kn)^2`.

    Args:
        outputs: (K, n, 1) predictions of K members.
        y: (n,) targets.

    Returns:
        (K, n), higher = worse, in squared units of y.
    """
    return (outputs.squeeze(-1) - y).square()


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    """`-log softmax(outputs_kn)[y_n]`.

    Args:
        outputs: (K, n, c) logits of K members.
        y: (n,) int64 class indices below c.

    Returns:
        (K, n), higher = worse, in nats.
    """
    members, n, classes = outputs.shape
    losses = torch_cross_entropy(outputs.reshape(members * n, classes), y.repeat(members), reduction="none")
    return losses.view(members, n)


def normalize_weights(weights: Tensor) -> Tensor:
    """Weights scaled to mean 1 along the last axis.

    Args:
        weights: (..., n), finite, non-negative, not all zero.

    Raises:
        LossValError: any of these does not hold.
    """
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise LossValError(
            "data weights must be finite and not negative; if the training diverged, lower learning_rate"
        )
    mean = weights.mean(dim=-1, keepdim=True)
    if bool((mean == 0).any()):
        raise LossValError("all data weights vanish: check labels and features for gross errors")
    return weights / mean


def weighted_loss(losses: Tensor, weights: Tensor) -> Tensor:
    """`L_w = (1/n) sum_n w_n l_kn` with w of mean 1: the paper's weighted sum per member, normalised.

    Args:
        losses: (K, n) per-sample losses.
        weights: (n,), the same for all members, or (K, n), of each member's own; see `normalize_weights`.

    Returns:
        (K,).
    """
    return (losses * normalize_weights(weights)).mean(dim=-1)
