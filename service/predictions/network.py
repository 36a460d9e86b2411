"""A stored surrogate evaluated without torch: pure numpy.

The format of the artefact (version 2) is that of `worker/lossval/surrogate.py`; the forward pass is `network.py`'s,
in the same single precision, so that predictions agree to some units in the last place (tested).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from service.errors import ConflictError
from service.predictions.encoding import Matrix, Row, StoredEncoder

INTERVAL_LEVEL = 0.9
_FORMAT = "crashscout-surrogate"
_VERSIONS = (1, 2)
_ROWS = 8192  # per forward pass: bounds the memory, in which all members of the ensemble stand
Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Prediction:
    """Of n rows, in target units.

    Attributes:
        mean, std: (n,) of the prediction; std joins the spread between the members and the noise.
        half_width: (n,) of the interval that holds 90 % of new labels; None for a surrogate without calibration.
        encoded: (n, d) the rows as the network saw them.
    """

    mean: Matrix
    std: Matrix
    half_width: Matrix | None
    encoded: Matrix


@dataclass(frozen=True)
class StoredSurrogate:
    """A network ensemble with its encoder and calibration."""

    encoder: StoredEncoder
    weights: tuple[npt.NDArray[np.float32], ...]  # of layer l: (K, in, out)
    biases: tuple[npt.NDArray[np.float32], ...]  # of layer l: (K, 1, out)
    target_mean: float
    target_sd: float
    noise_sd: float
    residual_sd: float | None
    score_90: float | None

    @classmethod
    def from_bytes(cls, artefact: bytes) -> Self:
        """The surrogate of an artefact.

        Raises:
            ConflictError: it is damaged, or of a version that is not known here.
        """
        import safetensors.numpy  # the API starts without it

        try:
            length = int.from_bytes(artefact[:8], "little")
            header = json.loads(artefact[8 : 8 + length])
            metadata = json.loads(header["__metadata__"][_FORMAT])
            if metadata["version"] not in _VERSIONS:
                raise ValueError(metadata["version"])
            return cls._read(metadata, safetensors.numpy.load(artefact))
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            message = "The stored surrogate cannot be read: it is damaged, or of another version."
            raise ConflictError(message, hint="Request a valuation run.") from error

    @classmethod
    def _read(cls, metadata: Mapping[str, Any], tensors: Tensors) -> Self:
        layers = range(len(metadata["widths"]) - 1)
        calibration = metadata.get("calibration")
        return cls(
            encoder=StoredEncoder(metadata["encoder"]),
            weights=tuple(tensors[f"weights.{layer}"] for layer in layers),
            biases=tuple(tensors[f"biases.{layer}"] for layer in layers),
            target_mean=float(metadata["target"]["mean"]),
            target_sd=float(metadata["target"]["sd"]),
            noise_sd=float(metadata["noise_sd"]),
            residual_sd=None if calibration is None else float(calibration["residual_sd"]),
            score_90=None if calibration is None else _score(tensors),
        )

    def predict(self, rows: Sequence[Row]) -> Prediction:
        """Prediction of n rows of plain feature values.

        Cost: O(n K sum of (in * out)), 8192 rows at a time.
        """
        encoded = self.encoder.transform(rows)
        parts = [
            self._moments(encoded[start : start + _ROWS].astype(np.float32))
            for start in range(0, len(encoded), _ROWS)
        ]
        mean, spread = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
        half_width = None
        if self.score_90 is not None and self.residual_sd is not None:
            half_width = self.score_90 * np.hypot(spread, self.residual_sd)
        return Prediction(mean, np.hypot(spread, self.noise_sd), half_width, encoded)

    def _moments(self, X: npt.NDArray[np.float32]) -> tuple[Matrix, Matrix]:
        """Mean (n,) and standard deviation (n,) over the members."""
        hidden = X
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = hidden @ weight + bias
            if layer < len(self.weights) - 1:
                hidden = np.tanh(hidden)
        outputs = hidden[..., 0].astype(np.float64)
        return outputs.mean(axis=0) * self.target_sd + self.target_mean, outputs.std(
            axis=0, ddof=1
        ) * self.target_sd


def _score(tensors: Tensors) -> float | None:
    """The smallest score that covers 90 %; None where too few rows were calibrated on to tell."""
    scores, levels = (tensors[f"calibration.{name}"] for name in ("scores", "levels"))
    place = int(np.searchsorted(levels, INTERVAL_LEVEL - 1e-12))
    return None if place == len(levels) else float(scores[place])
