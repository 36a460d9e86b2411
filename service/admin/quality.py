"""What the pages show of a surrogate: its errors, and the networks that it was chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class CandidateLine:
    """A network that could serve, with the error (RMSE, target units) that the choice was made by."""

    name: str
    rmse: float
    is_serving: bool


@dataclass(frozen=True)
class LoadCaseLine:
    """Errors of the surrogate in use in one load case, in target units; coverage of its 90 % intervals."""

    name: str
    rows: int
    rmse: float | None
    q95_error: float | None
    max_error: float | None
    coverage: float | None


@dataclass(frozen=True)
class Quality:
    """Error of the surrogate beside that of the mean predictor, in target units; lower is better.

    `rmse` to `width` and `load_cases` are measured on `measured_on`, `cop` out of fold; `coverage` is that of
    90 % intervals of mean width `width`. What was not measured is None.
    """

    rmse: float | None
    baseline_rmse: float | None
    r2: float | None
    cop: float | None
    q95_error: float | None
    max_error: float | None
    coverage: float | None
    width: float | None
    unit: str
    served: str | None
    chosen_on: str
    candidates: Sequence[CandidateLine]
    load_cases: Sequence[LoadCaseLine]
    wrong_label_share: float | None
    rank_stability: float | None
    measured_on: str | None
    measured_samples: int | None
    run_id: int
    trained_at: datetime | None

    @property
    def gain(self) -> float | None:
        """Share of the mean predictor's error that the surrogate removes; negative when it adds some."""
        if self.rmse is None or not self.baseline_rmse:
            return None
        return 1 - self.rmse / self.baseline_rmse
