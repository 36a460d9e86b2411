"""Is a sample sound, is its label wrong, or are its features? A mixture of these three explanations.

LossVal learns a weight per sample inside the loss. With an entropy as regulariser,

    minimise over w in [0, 1]:   sum_n w_n l_n + tau (w_n log w_n + (1 - w_n) log(1 - w_n)) - w_n lambda

has the closed form w_n = sigmoid((lambda - l_n) / tau): the probability, in a mixture of two explanations, that
sample n belongs to the one that the network describes (the variational form of EM: Neal and Hinton, 1998).
Temperature tau and threshold lambda are then not settings but the scale of the sound residuals and the share of
the corrupt samples, and maximum likelihood finds both from out-of-sample losses. The transport's evidence about
the features enters as a third explanation:

    sound            share_0 * N(r; 0, s^2 + v)     * N(t; m_0, s_0^2)
    wrong label      share_1 * p(y)                 * N(t; m_0, s_0^2)
    wrong features   share_2 * N(r; 0, (3 s)^2 + v) * N(t; m_1, s_1^2)

r: out-of-sample residual of the label, in target standard deviations; v: what the disagreement of the members says
of it beforehand; p(y): density of the distinct target values (a wrong label is one of the values that occur); t:
the sample's isolation. For classes, the probability q of the observed class takes the place of the normal density,
(1 - q) / (c - 1) that of p(y), and (q + 1/c) / 2 that of the wide one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.special import gammaincinv

from worker.lossval.encoding import Matrix
from worker.lossval.result import Vector

_PRIOR = np.array(
    [18.0, 1.0, 1.0]
)  # pseudo-counts: keep shares sane with ten samples, are nothing to hundreds
_WIDE = 3.0  # residual of a sample with wrong features, in residuals of a sound one
_APART = 4.0  # least distance of the mean isolation of wrong features, in standard deviations of the sound
_PSEUDO = 3.0  # samples' worth of trust in the starting values for the wrong features
_SHAPE_PER_COLUMN, _MOST_SHAPE = 3.0, 30.0  # of the isolation of sound features
_LEAST_SD = 0.01  # in target standard deviations: no test is more exact
_LEAST_SOUND = (-0.3, 0.9)  # mean and standard deviation of the isolation of sound features
_DISAGREEMENT = 3.0  # squared error of a mean prediction, in variances between the members
_TINY = np.finfo(np.float64).tiny
_BINS = 512
_TRACE = 1e-9  # every sample counts a trace everywhere: moments exist even if one explanation takes all


class LabelEvidence(Protocol):
    """Likelihoods of the labels under the three explanations."""

    def log_likelihoods(self, residual_sd: float) -> tuple[Vector, Vector, Vector]:
        """(n,) natural logarithms: sound, wrong label, wrong features."""
        ...

    def fit_sd(self, sound: Vector) -> float:
        """The residual scale, given how sound each sample is."""
        ...


@dataclass(frozen=True)
class Residuals:
    """Evidence of a regression.

    Attributes:
        residual: (n,) y minus its out-of-sample prediction.
        density: (n,) p(y), see `density_of_values`.
        variance: (n,) squared error of the prediction that is known beforehand, see `prediction_variance`; or 0.
            It is added to s^2: at the rim of the data even sound samples have large residuals.
    """

    residual: Vector
    density: Vector
    variance: Vector | float = 0.0

    def log_likelihoods(self, residual_sd: float) -> tuple[Vector, Vector, Vector]:
        sd, wide = (np.sqrt((factor * residual_sd) ** 2 + self.variance) for factor in (1.0, _WIDE))
        return (
            _log_normal(self.residual, 0.0, sd),
            np.log(np.maximum(self.density, _TINY)),
            _log_normal(self.residual, 0.0, wide),
        )

    def fit_sd(self, sound: Vector) -> float:
        excess = float(sound @ (self.residual**2 - self.variance)) / float(sound.sum())
        return max(_LEAST_SD, math.sqrt(max(excess, 0.0)))


@dataclass(frozen=True)
class ClassProbabilities:
    """Evidence of a classification.

    Attributes:
        observed: (n,) out-of-sample probability of the sample's own class.
        classes: c.
    """

    observed: Vector
    classes: int

    def log_likelihoods(self, residual_sd: float) -> tuple[Vector, Vector, Vector]:  # noqa: ARG002 - no scale
        q = np.clip(self.observed, 1e-9, 1.0 - 1e-9)
        return np.log(q), np.log((1.0 - q) / (self.classes - 1)), np.log(0.5 * (q + 1.0 / self.classes))

    def fit_sd(self, sound: Vector) -> float:  # noqa: ARG002 - no scale
        return 1.0


@dataclass(frozen=True)
class Mixture:
    """Parameters of the three explanations.

    Attributes:
        shares: sound, wrong label, wrong features; they sum to 1.
        residual_sd: s.
        sound: (m_0, s_0), mean and standard deviation of the isolation of sound features.
        wrong: (m_1, s_1), of wrong ones.
    """

    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    residual_sd: float = 1.0
    sound: tuple[float, float] = (0.0, 1.0)
    wrong: tuple[float, float] = (3.0, 2.0)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Mixture:
        """The mixture whose `dataclasses.asdict` went through JSON."""
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in state.items()}
        return cls(**fields)

    @classmethod
    def start(cls, evidence: LabelEvidence) -> Mixture:
        """The starting point of the fit: the residual scale of the better half of the samples."""
        if not isinstance(evidence, Residuals):
            return cls()
        return cls(residual_sd=max(_LEAST_SD, 1.4826 * float(np.median(np.abs(evidence.residual)))))

    def fit(self, evidence: LabelEvidence, isolation: Vector, iterations: int) -> Mixture:
        """Maximum a posteriori by EM, from these parameters on.

        Args:
            evidence: of the n labels.
            isolation: (n,) scaled isolation, see `scaled_isolation`.
            iterations: of EM; about 60 from the start, a few after a small change of the residuals.

        O(n) time per iteration and O(n) memory.
        """
        mixture = self
        for _ in range(iterations):
            mixture = mixture._improved(evidence, isolation)
        return mixture

    def probabilities(self, evidence: LabelEvidence, isolation: Vector) -> Matrix:
        """(3, n) probability of each explanation: sound, wrong label, wrong features; columns sum to 1."""
        of_label = evidence.log_likelihoods(self.residual_sd)
        usual, unusual = _log_normal(isolation, *self.sound), _log_normal(isolation, *self.wrong)
        # Being less isolated than the typical sample never speaks for wrong features.
        unusual = np.where(isolation < self.sound[0], unusual - 7.0, unusual)
        joint = np.stack(of_label) + np.stack([usual, usual, unusual]) + np.log(self.shares)[:, None]
        joint = np.exp(joint - joint.max(axis=0))
        probabilities: Matrix = joint / joint.sum(axis=0)
        return probabilities

    def _improved(self, evidence: LabelEvidence, isolation: Vector) -> Mixture:
        """One step of EM."""
        p = self.probabilities(evidence, isolation) + _TRACE
        shares = (p.sum(axis=1) + _PRIOR) / (p.shape[1] + _PRIOR.sum())
        mean, sd = _moments(isolation, p[0] + p[1])
        # Isolation is scaled to a standard deviation of 1: a narrower core would make its own tail suspicious.
        sound = max(mean, _LEAST_SOUND[0]), max(sd, _LEAST_SOUND[1])
        return replace(
            self,
            shares=tuple(shares.tolist()),
            residual_sd=evidence.fit_sd(p[0]),
            sound=sound,
            wrong=_wrong_moments(isolation, p[2], sound),
        )


def _wrong_moments(isolation: Vector, probability: Vector, sound: tuple[float, float]) -> tuple[float, float]:
    """Isolation of wrong features: never mistaken for the tail of the sound ones, never narrower."""
    mean, sd = sound
    count = float(probability.sum()) + _PSEUDO
    center = max((float(probability @ isolation) + _PSEUDO * (mean + 3.0 * sd)) / count, mean + _APART * sd)
    squares = float(probability @ (isolation - center) ** 2) + _PSEUDO * (1.5 * sd) ** 2
    return center, max(math.sqrt(squares / count), sd)


def density_of_values(y: Vector) -> Vector:
    """(n,) density, at each y, of the distinct values in y: a binned Gaussian kernel estimate.

    Bandwidth by Scott's rule (1992). O(n log n) time, O(n) memory.
    """
    distinct = np.unique(y)
    margin = 0.3 * float(np.ptp(distinct)) or 1.0
    edges = np.linspace(distinct[0] - margin, distinct[-1] + margin, _BINS + 1)
    width = edges[1] - edges[0]
    bandwidth = 1.06 * float(distinct.std()) * len(distinct) ** -0.2
    histogram = np.histogram(distinct, edges, density=True)[0]
    smooth = gaussian_filter1d(histogram, max(bandwidth / width, 0.5))
    return np.interp(y, 0.5 * (edges[1:] + edges[:-1]), smooth)


def prediction_variance(scores: Matrix, left_out: NDArray[np.bool_], isolation: Vector) -> Vector:
    """(n,) expected squared error of the mean of the left-out members, from their disagreement.

    Two to four members make a variance of their own uncertain: it counts a quarter beside the mean over the samples
    of similar isolation.

    Args:
        scores: (K, n) predictions, at least two of them left out everywhere.
        left_out: (K, n) which members did not train on a sample.
        isolation: (n,).

    O(n (K + log n)) time.
    """
    count = left_out.sum(axis=0)
    if count.min() < 2:
        return np.zeros(len(isolation))
    mean = (scores * left_out).sum(axis=0) / count
    own = (((scores - mean) ** 2) * left_out).sum(axis=0) / (count - 1)
    order = np.argsort(isolation, kind="stable")
    similar = np.empty_like(own)
    similar[order] = uniform_filter1d(own[order], max(11, len(own) // 20), mode="nearest")
    variance: Vector = _DISAGREEMENT * (0.25 * own + 0.75 * similar)
    return variance


def scaled_isolation(isolation: Vector, columns: int) -> Vector:
    """(n,) isolation on a scale on which that of sound features is about standard normal.

    Isolation is a negative log density: for d normal features a chi-square of d degrees of freedom, whose right
    tail is long when d is small. Taken for a normal distribution it would make the rim of clean data suspicious
    (21 of 400 normal rows of 4 columns, 11 so). So a gamma distribution of shape k = min(3 d, 30), fitted to the
    5 % and the 50 % quantile (which corrupt samples hardly move), is made normal by the cube root of Wilson and
    Hilferty (1931). The factor 3 instead of the 1/2 of normal features was chosen on the noise benchmarks: it
    trades some found labels for found features.

    Args:
        isolation: (n,), see `transport.isolation_potential`.
        columns: d, encoded columns.

    Returns:
        Increasing in `isolation`, whatever its unit and origin; zeros where all are equal.
    """
    shape = min(_SHAPE_PER_COLUMN * columns, _MOST_SHAPE)
    low, middle = np.quantile(isolation, [0.05, 0.5])
    if middle - low <= 1e-12 * float(np.abs(isolation).max()):
        return np.zeros_like(isolation)
    expected_low, expected_middle = gammaincinv(shape, [0.05, 0.5])
    unit = (middle - low) / (expected_middle - expected_low)
    quantity = expected_middle + (isolation - middle) / unit
    scaled: Vector = 3.0 * math.sqrt(shape) * (np.cbrt(quantity / shape) - 1.0 + 1.0 / (9.0 * shape))
    return scaled


def _log_normal(x: Vector, mean: float, sd: Vector | float) -> Vector:
    density: Vector = -0.5 * ((x - mean) / sd) ** 2 - np.log(sd * math.sqrt(2.0 * math.pi))
    return density


def _moments(x: Vector, weight: Vector) -> tuple[float, float]:
    """Weighted mean and standard deviation."""
    mean = float(weight @ x) / float(weight.sum())
    return mean, math.sqrt(float(weight @ (x - mean) ** 2) / float(weight.sum()))
