"""The network ensemble that serves predictions, with everything needed to apply it to raw rows.

It is stored as safetensors with one JSON metadata entry: loading it never executes code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from worker.lossval.encoding import FeatureEncoder, Matrix, Row
from worker.lossval.errors import LossValError
from worker.lossval.network import EnsembleNetwork

FORMAT = "crashscout-surrogate"
FORMAT_VERSION = 1
_PREDICTION_ROWS = 8192  # rows per forward pass: bounds the memory of large pools


class SurrogateFormatError(LossValError):
    """Bytes that are no surrogate of a known format version."""


@dataclass(frozen=True)
class TargetScaling:
    """Mean and standard deviation of the training target, in target units."""

    mean: float
    sd: float

    @classmethod
    def fit(cls, y: Matrix) -> Self:
        return cls(float(y.mean()), float(y.std()))

    def scale(self, y: Matrix) -> Matrix:
        return (y - self.mean) / self.sd


@dataclass(frozen=True)
class Surrogate:
    """Regression ensemble from design rows to the target.

    Attributes:
        encoder: rows -> (n, d).
        network: (n, d) -> (K, n, 1) in units of the training target's standard deviation; on CPU.
        target: scaling of the target.
        noise_sd: residual noise in target units, see `residual_noise`.
        out_of_fold_rmse: root mean squared error, in target units, of the members on training rows that
            they were not trained on.
    """

    encoder: FeatureEncoder
    network: EnsembleNetwork
    target: TargetScaling
    noise_sd: float
    out_of_fold_rmse: float

    def predict(self, rows: Sequence[Row]) -> tuple[Matrix, Matrix]:
        """Prediction and its uncertainty.

        Args:
            rows: n design rows.

        Returns:
            mean (n,) and std (n,), both float64 in target units. std^2 = variance between the members (what
            more data would teach) + noise_sd^2 (what it would not).

        Raises:
            LossValError: a numeric feature has a value that is no finite number.
        """
        outputs = member_outputs(self.network, self.encoder.transform(rows))
        mean = outputs.mean(axis=0) * self.target.sd + self.target.mean
        spread = outputs.std(axis=0, ddof=1) * self.target.sd
        return mean, np.hypot(spread, self.noise_sd)

    def to_bytes(self) -> bytes:
        """Safetensors bytes; equal surrogates give equal bytes."""
        metadata = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "encoder": self.encoder.to_dict(),
            "target": {"mean": self.target.mean, "sd": self.target.sd},
            "noise_sd": self.noise_sd,
            "out_of_fold_rmse": self.out_of_fold_rmse,
            "members": self.network.members,
            "widths": self.network.widths,
        }
        # One entry only: the order of several is not defined.
        return safetensors.torch.save(
            {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()},
            {FORMAT: json.dumps(metadata, sort_keys=True, allow_nan=False)},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The surrogate that `to_bytes` wrote.

        Raises:
            SurrogateFormatError: truncated, foreign, of a newer version, or inconsistent.
        """
        metadata = _read_metadata(data)
        try:
            tensors = safetensors.torch.load(data)
            network = _rebuild(metadata, tensors)
            return cls(
                encoder=FeatureEncoder.from_dict(metadata["encoder"]),
                network=network,
                target=TargetScaling(float(metadata["target"]["mean"]), float(metadata["target"]["sd"])),
                noise_sd=float(metadata["noise_sd"]),
                out_of_fold_rmse=float(metadata["out_of_fold_rmse"]),
            )
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise SurrogateFormatError(
                "the stored surrogate is damaged or incomplete; run the valuation again"
            ) from error


def member_outputs(network: EnsembleNetwork, X: Matrix) -> Matrix:
    """(K, n) float64 outputs of every member for (n, d) encoded rows, in blocks."""
    device = network.weights[0].device
    with torch.no_grad():
        blocks = [
            network(block.to(device)).squeeze(-1).double().cpu()
            for block in torch.from_numpy(X).float().split(_PREDICTION_ROWS)
        ]
    return torch.cat(blocks, dim=1).numpy()


def residual_noise(errors: Matrix, outputs: Matrix, weights: Matrix | None = None) -> float:
    """Noise variance such that the mean predicted variance equals the observed out-of-sample error.

    Args:
        errors: (n,) squared errors on rows that were not trained on.
        outputs: (K, n) outputs of the members on the same rows.
        weights: (n,) data weights, so that suspicious labels do not inflate the noise.

    Returns:
        Weighted mean of `errors` minus the variance between members, at least 0, in squared units.
    """
    excess = errors - outputs.var(axis=0, ddof=1)
    return max(0.0, float(np.average(excess, weights=weights)))


def rmse(prediction: Matrix, y: Matrix) -> float:
    """Root mean squared error of (n,) predictions, in target units; lower is better."""
    return math.sqrt(float(np.mean((prediction - y) ** 2)))


def _read_metadata(data: bytes) -> Mapping[str, Any]:
    """The JSON entry of the safetensors header: 8 bytes length, then a JSON object."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        metadata = json.loads(header["__metadata__"][FORMAT])
        version = metadata["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise SurrogateFormatError(
            "these bytes are no Crashscout surrogate; store what `Surrogate.to_bytes` returns"
        ) from error
    if version != FORMAT_VERSION:
        raise SurrogateFormatError(
            f"surrogate format version {version} is not known here (version {FORMAT_VERSION} is); "
            "update Crashscout or run the valuation again"
        )
    return dict(metadata)


def _rebuild(metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> EnsembleNetwork:
    inputs, *hidden, outputs = metadata["widths"]
    network = EnsembleNetwork(metadata["members"], inputs, hidden, outputs, generator=torch.Generator())
    network.load_state_dict(dict(tensors))
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise SurrogateFormatError("the stored surrogate has weights that are not finite")
    return network
