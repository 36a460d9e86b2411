"""Calibrated prediction intervals from out-of-fold residuals, also where some training labels are wrong.

Conformal prediction on cross-validation residuals: every training row i is left out by some members; with mu_i
their mean prediction, the score is `|y_i - mu_i| / sigma(x_i)`. A new row gets `mean +- q sigma(x)`, q the
`ceil(level (n + 1))`-th smallest score, so the width follows the spread between the members:
`sigma(x)^2 = residual_sd^2 + spread(x)^2`. Residuals and cost are those of CV+ and jackknife+-after-bootstrap
(Barber et al., Annals of Statistics 49, 2021; Kim et al., NeurIPS 2020), but the interval is centred at the
ensemble as it serves instead of at n fold models: cross-conformal, O(1) per row and not O(n). It has no
worst-case guarantee (theirs is 1 - 2 alpha); `benchmarks/intervals.py` measures what it covers.

Wrong labels make the residuals too long. Weighting them by the data weights cuts off the honest tail too (70 %
instead of 90 % of clean rows covered). Instead, the scores are seen as the mixture

    F = (1 - epsilon) G + epsilon H,    G: of right labels,    H: of labels that know nothing of their features

H is computed by pairing predictions with the labels of other rows; `G = (F - epsilon H) / (1 - epsilon)` gives
the quantile. epsilon is the smallest ratio of the upper tails, `P_F(score > t) / P_H(score > t)` over t (the
mixture proportion estimate of Blanchard et al., JMLR 11, 2010; the mean of the four smallest of 17, because the
minimum of noisy ratios is too low), 0 where no far residual exists. Where the features explain little, G and H
look alike and it is far too high: the caller caps it with the mean probability of a wrong label in the valuation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worker.lossval.encoding import Matrix
from worker.lossval.errors import LossValError

_MOST_SCORES = 2000  # kept in the artefact; more only make it larger
_MOST_PAIRS = 200_000
_LEAST_ROWS = 50  # with fewer a share of wrong labels cannot be told from chance
_TAILS = np.linspace(0.5, 0.9, 17)  # quantiles of H at which the tails are compared
_SMALLEST = 4
NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class Calibration:
    """How long residuals are, relative to the predicted scale.

    Attributes:
        residual_sd: 1.4826 median absolute out-of-fold residual, in target units: wrong labels hardly move it.
        scores: (m,) ascending.
        levels: (m,) share of new, rightly labelled rows with at most that score; never falls, below 1.
        wrong_label_share: epsilon in [0, 1).
    """

    residual_sd: float
    scores: Matrix
    levels: Matrix
    wrong_label_share: float

    def quantile(self, level: float) -> float:
        """Smallest score that covers the share `level`.

        Raises:
            LossValError: the level is not in (0, 1), or so high that too few rows were calibrated on.
        """
        if not 0 < level < 1:
            raise LossValError(
                f"the level of an interval lies between 0 and 1, not at {level!r}; 0.9 is 90 %"
            )
        position = int(np.searchsorted(self.levels, level - 1e-12))
        if position == len(self.levels):
            raise LossValError(
                f"an interval of level {level:g} needs more labelled rows: these carry it up to "
                f"{self.levels[-1]:.3f}; ask for a lower level or add tests"
            )
        return float(self.scores[position])


@dataclass(frozen=True)
class Residuals:
    """Out-of-fold predictions beside the labels, in target units.

    Attributes:
        y: (n,) labels.
        predicted: (n,) mean over the members that did not train on the row.
        spread: (n,) standard deviation between all members.
    """

    y: Matrix
    predicted: Matrix
    spread: Matrix

    @property
    def residual_sd(self) -> float:
        """Robust size of a residual, above 0."""
        size = NORMAL_MAD * float(np.median(np.abs(self.y - self.predicted)))
        return max(size, 1e-9 * float(np.abs(self.y).max()), float(np.finfo(np.float64).tiny))

    @property
    def scores(self) -> Matrix:
        """(n,) residuals in units of the predicted scale."""
        return np.abs(self.y - self.predicted) / np.hypot(self.spread, self.residual_sd)

    def uninformed_scores(self) -> Matrix:
        """(k n,) ascending: scores of labels that belong to other rows."""
        n = len(self.y)
        count = min(n - 1, max(1, _MOST_PAIRS // n), 64)
        scale = np.hypot(self.spread, self.residual_sd)
        offsets = np.unique(np.linspace(1, n - 1, count).astype(np.intp))
        return np.sort(
            np.concatenate([np.abs(np.roll(self.y, shift) - self.predicted) / scale for shift in offsets])
        )


def calibrate(residuals: Residuals, wrong_label_share: float = 0.0) -> Calibration:
    """Scores with the share of new, rightly labelled rows that each covers.

    Args:
        residuals: of n >= 2 rows.
        wrong_label_share: epsilon, see `estimate_wrong_label_share`; 0 is plain conformal prediction.

    Returns:
        The calibration. O(n log n).
    """
    scores = np.sort(residuals.scores)
    n = len(scores)
    levels = np.arange(1, n + 1) / (n + 1)
    if wrong_label_share > 0:
        uninformed = residuals.uninformed_scores()
        wrong = np.searchsorted(uninformed, scores, side="right") / len(uninformed)
        right = np.maximum.accumulate((levels - wrong_label_share * wrong) / (1 - wrong_label_share))
        levels = np.clip(right, 0.0, n / (n + 1))
    kept = np.unique(np.linspace(0, n - 1, min(n, _MOST_SCORES)).round().astype(np.intp))
    return Calibration(residuals.residual_sd, scores[kept], levels[kept], wrong_label_share)


def estimate_wrong_label_share(residuals: Residuals, most: float) -> float:
    """Share of the labels that look drawn at random, at most `most`; 0 with fewer than 50 rows.

    Args:
        residuals: of a surrogate that was *not* told which labels are suspicious: one that was has long
            residuals on whatever it was told to leave aside.
        most: mean probability of a wrong label in the valuation.
    """
    if len(residuals.y) < _LEAST_ROWS:
        return 0.0
    scores, uninformed = residuals.scores, residuals.uninformed_scores()
    thresholds = np.quantile(uninformed, _TAILS)
    expected = 1 - np.searchsorted(uninformed, thresholds, side="right") / len(uninformed)
    observed = (scores[:, None] > thresholds).mean(axis=0)
    ratios = np.sort(observed / np.maximum(expected, 1 / len(uninformed)))
    return min(float(ratios[:_SMALLEST].mean()), most, 0.5)
