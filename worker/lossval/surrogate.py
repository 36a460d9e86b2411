"""The network ensemble that serves predictions, with everything needed to apply it to raw rows.

It is stored as safetensors with one JSON metadata entry: loading it never executes code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from worker.lossval.encoding import FeatureEncoder, Matrix, Row
from worker.lossval.errors import LossValError
from worker.lossval.intervals import Calibration
from worker.lossval.metrics import INTERVAL_LEVEL
from worker.lossval.network import EnsembleNetwork

AnyMatrix = NDArray[np.float32] | NDArray[np.float64]
FORMAT = "crashscout-surrogate"
FORMAT_VERSION = 2
# Version 1 had no calibration: it still predicts, and refuses only intervals.
_READABLE_VERSIONS = (1, FORMAT_VERSION)
_CALIBRATION = "calibration."
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

    def restore(self, scaled: Matrix) -> Matrix:
        return scaled * self.sd + self.mean


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
        calibration: of the intervals; None in artefacts of format version 1.
    """

    encoder: FeatureEncoder
    network: EnsembleNetwork
    target: TargetScaling
    noise_sd: float
    out_of_fold_rmse: float
    calibration: Calibration | None = None

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
        return self.predict_encoded(self.encoder.transform(rows))

    def predict_encoded(self, X: AnyMatrix) -> tuple[Matrix, Matrix]:
        """`predict` for (n, d) rows that the encoder has encoded already, float32 or float64."""
        mean, spread = self._moments(X)
        return mean, np.hypot(spread, self.noise_sd)

    def interval(self, rows: Sequence[Row], level: float = INTERVAL_LEVEL) -> tuple[Matrix, Matrix]:
        """Interval that holds the label of a share `level` of new rows like the training rows.

        Args:
            rows: n design rows.
            level: above 0 and below 1; the more labelled rows, the higher it may be.

        Returns:
            lower (n,) and upper (n,), float64 in target units, around the mean of `predict`; wider where the
            members disagree. See `intervals.py` for the method and its limits.

        Raises:
            LossValError: as `predict`; a level that the labelled rows do not carry; a surrogate of format
                version 1.
        """
        mean, half_width = self.mean_and_half_width(rows, level)
        return mean - half_width, mean + half_width

    def mean_and_half_width(self, rows: Sequence[Row], level: float) -> tuple[Matrix, Matrix]:
        """`interval` as its centre (n,) and half its width (n,)."""
        return self.mean_and_half_width_encoded(self.encoder.transform(rows), level)

    def mean_and_half_width_encoded(self, X: AnyMatrix, level: float) -> tuple[Matrix, Matrix]:
        """`mean_and_half_width` for (n, d) rows that the encoder has encoded already, float32 or float64."""
        if self.calibration is None:
            raise LossValError("this surrogate was stored without intervals; run the valuation again")
        quantile = self.calibration.quantile(level)
        mean, spread = self._moments(X)
        return mean, quantile * np.hypot(spread, self.calibration.residual_sd)

    def _moments(self, X: AnyMatrix) -> tuple[Matrix, Matrix]:
        """Mean (n,) and standard deviation (n,) over the members, in target units.

        In blocks: the outputs of all members are K times as large.
        """
        mean, spread = np.empty(len(X)), np.empty(len(X))
        for start in range(0, len(X), _PREDICTION_ROWS):
            block = slice(start, start + _PREDICTION_ROWS)
            outputs = member_outputs(self.network, X[block])
            mean[block] = self.target.restore(outputs.mean(axis=0))
            spread[block] = outputs.std(axis=0, ddof=1) * self.target.sd
        return mean, spread

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
            "calibration": _calibration_metadata(self.calibration),
        }
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        # One entry only: the order of several is not defined.
        return safetensors.torch.save(
            tensors | _calibration_tensors(self.calibration),
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
            calibration = _read_calibration(metadata, tensors)
            network = _rebuild(metadata, tensors)
            return cls(
                encoder=FeatureEncoder.from_dict(metadata["encoder"]),
                network=network,
                target=TargetScaling(float(metadata["target"]["mean"]), float(metadata["target"]["sd"])),
                noise_sd=float(metadata["noise_sd"]),
                out_of_fold_rmse=float(metadata["out_of_fold_rmse"]),
                calibration=calibration,
            )
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise SurrogateFormatError(
                "the stored surrogate is damaged or incomplete; run the valuation again"
            ) from error


def member_outputs(network: EnsembleNetwork, X: AnyMatrix) -> Matrix:
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
    if version not in _READABLE_VERSIONS:
        raise SurrogateFormatError(
            f"surrogate format version {version} is not known here (versions up to {FORMAT_VERSION} are); "
            "update Crashscout or run the valuation again"
        )
    return dict(metadata)


def _calibration_metadata(calibration: Calibration | None) -> dict[str, float] | None:
    if calibration is None:
        return None
    return {
        "residual_sd": calibration.residual_sd,
        "wrong_label_share": calibration.wrong_label_share,
    }


def _calibration_tensors(calibration: Calibration | None) -> dict[str, Tensor]:
    if calibration is None:
        return {}
    arrays = {"scores": calibration.scores, "levels": calibration.levels}
    return {_CALIBRATION + name: torch.from_numpy(array) for name, array in arrays.items()}


def _read_calibration(metadata: Mapping[str, Any], tensors: dict[str, Tensor]) -> Calibration | None:
    """The calibration, taken out of `tensors`."""
    state = metadata.get("calibration")
    if state is None:
        return None
    scores, levels = (tensors.pop(_CALIBRATION + name).numpy() for name in ("scores", "levels"))
    residual_sd = float(state["residual_sd"])
    in_order = scores.shape == levels.shape and bool((np.diff([scores, levels]) >= 0).all())
    if not in_order or not scores.size or not np.isfinite([scores[-1], levels[-1], residual_sd]).all():
        raise ValueError("scores and levels must be finite, as many and in order")
    return Calibration(residual_sd, scores, levels, float(state["wrong_label_share"]))


def _rebuild(metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> EnsembleNetwork:
    inputs, *hidden, outputs = metadata["widths"]
    network = EnsembleNetwork(metadata["members"], inputs, hidden, outputs, generator=torch.Generator())
    network.load_state_dict(dict(tensors))
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise SurrogateFormatError("the stored surrogate has weights that are not finite")
    return network
