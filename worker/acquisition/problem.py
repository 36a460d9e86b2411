"""What a ranking is given and what it answers: frozen, plain numbers, checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from worker.acquisition.errors import EmptyPoolError, InvalidProblemError, NoTargetDomainError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
CHECK_ROWS = 8192


class Arm(StrEnum):
    """Why a pick is in the batch: the strategy chose it, or the control arm drew it at random."""

    CHOSEN = "chosen"
    CONTROL = "control"


@dataclass(frozen=True)
class BatchLimits:
    """Size, money and control arm of one batch.

    Attributes:
        batch_size: picks at most; a smaller pool or budget gives a shorter batch.
        budget: money for the whole batch in the currency of the costs; None is no limit.
        source_budgets: money per source index; a source that is not listed has no pot of its own.
        cost_exponent: alpha in [0, 1] of score = gain * relevance / price^alpha. 0 ignores money below the
            budget, 1 is plain gain per money.
        control_fraction: share in [0, 1) of the batch that is drawn at random.
    """

    batch_size: int = 20
    budget: float | None = None
    source_budgets: Mapping[int, float] = field(default_factory=dict)
    cost_exponent: float = 0.5
    control_fraction: float = 0.1

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InvalidProblemError(f"batch_size is {self.batch_size}; ask for at least 1.")
        if not 0.0 <= self.cost_exponent <= 1.0:
            raise InvalidProblemError(f"cost_exponent is {self.cost_exponent}; choose it between 0 and 1.")
        if not 0.0 <= self.control_fraction < 1.0:
            raise InvalidProblemError(
                f"control_fraction is {self.control_fraction}; choose it from 0 to below 1, usually 0.1 to 0.2."
            )
        budgets = [] if self.budget is None else [self.budget]
        if not all(
            math.isfinite(money) and money >= 0 for money in [*budgets, *self.source_budgets.values()]
        ):
            raise InvalidProblemError("A budget is negative or not finite; give an amount of money or none.")

    @property
    def limited(self) -> bool:
        return self.budget is not None or bool(self.source_budgets)


@dataclass(frozen=True)
class RankingProblem:
    """One acquisition round as a strategy sees it: m candidates, n labelled, q pending, t target points.

    Attributes:
        candidates: (m, p) features of the pool.
        labelled: (n, p) features of the labelled samples.
        label_precision: (n,) data weights w >= 0; a label counts as observed with variance sigma^2 / w.
        pending: (q, p) features of what is approved, ordered or running: known already, with w = 1.
        target: (t, p) features of points of the target domain.
        noise_variance: sigma^2 in the squared unit of the features.
        acquisition_cost: (m,) money, > 0.
        source: (m,) source index of each candidate.
        relevance: (m,) factor on the gain, > 0, 1 is neutral.
        predicted, predicted_std: (m,) the surrogate's prediction in target units.
        design: (m,) id of the normalised planned features; equal designs have equal ids.
        known_designs: ids of the labelled and pending designs; never proposed again.
        limits: size, money, control arm.
        seed: rules every random draw of the round.

    Raises:
        EmptyPoolError, NoTargetDomainError, InvalidProblemError.
    """

    candidates: Tensor
    labelled: Tensor
    label_precision: FloatArray
    pending: Tensor
    target: Tensor
    noise_variance: float
    acquisition_cost: FloatArray
    source: IntArray
    relevance: FloatArray
    predicted: FloatArray
    predicted_std: FloatArray
    design: IntArray
    known_designs: IntArray
    limits: BatchLimits
    seed: int

    def __post_init__(self) -> None:
        if self.candidates.shape[0] == 0:
            raise EmptyPoolError("The pool has no candidate; add designs without a result to the campaign.")
        if self.target.shape[0] == 0:
            raise NoTargetDomainError(
                "The target domain has no point; mark samples as validation or describe the designs to predict."
            )
        self._check_matrices()
        self._check_vectors()
        if not (math.isfinite(self.noise_variance) and self.noise_variance > 0):
            raise InvalidProblemError(f"noise_variance is {self.noise_variance}; it must be above 0.")

    @property
    def size(self) -> int:
        return int(self.candidates.shape[0])

    def _check_matrices(self) -> None:
        columns = self.candidates.shape[1]
        for name in ("candidates", "labelled", "pending", "target"):
            matrix: Tensor = getattr(self, name)
            if matrix.dim() != 2 or matrix.shape[1] != columns:
                raise InvalidProblemError(
                    f"{name} has shape {tuple(matrix.shape)}; expected {columns} columns as the candidates have."
                )
            # in blocks: a mask of all features of a million candidates is as large as these
            if not all(bool(torch.isfinite(block).all()) for block in matrix.split(CHECK_ROWS)):
                raise InvalidProblemError(f"{name} has non-finite features; train the surrogate again.")

    def _check_vectors(self) -> None:
        for name in ("acquisition_cost", "source", "relevance", "predicted", "predicted_std", "design"):
            _check_vector(name, getattr(self, name), self.size)
        _check_vector("label_precision", self.label_precision, int(self.labelled.shape[0]))
        _check_positive("acquisition_cost", self.acquisition_cost, "declare what each candidate costs")
        _check_positive("relevance", self.relevance, "use 1 for a neutral relevance")
        if (self.label_precision < 0).any():
            raise InvalidProblemError(
                "label_precision is negative; weights are 0 or more, 1 for a plain label."
            )


@dataclass(frozen=True)
class Pick:
    """One recommended candidate.

    Attributes:
        index: row in the pool.
        arm: chosen or control.
        information: expected reduction of the mean target-domain variance at its turn, squared target
            units; higher is better.
        relevance: the factor that was used.
        score: gain * relevance / price^alpha of the strategy at its turn; 0 for the control arm, which
            no score chose.
        selection_probability: probability of this draw at its turn, 1 / (number drawn from); 1 for a pick
            that the strategy determined.
        acquisition_cost: money.
        sd_before, sd_after: root of the mean target-domain variance before and after this pick.
    """

    index: int
    arm: Arm
    information: float
    relevance: float
    score: float
    selection_probability: float
    acquisition_cost: float
    sd_before: float
    sd_after: float


@dataclass(frozen=True)
class Selection:
    """The batch and the scores of the whole pool.

    Attributes:
        picks: chosen picks in the order of choice, then the control arm. The control arm is drawn first and
            the chosen arm is selected knowing it, so `sd_before` of the first chosen pick includes it.
        scores: (m,) the strategy's score before any pick; higher is better.
        information: (m,) expected variance reduction before any pick, squared target units.
        eligible: (m,) False for pending, labelled or repeated designs.
        affordable: (m,) whether the budgets pay this candidate alone.
        sd_before, sd_after: root of the mean target-domain variance before and after the batch.
        spent: money of the batch.
        spent_by_source: the same per source index.
        led_by_single: the guard put the affordable candidate of the largest gain first.
    """

    picks: tuple[Pick, ...]
    scores: FloatArray
    information: FloatArray
    eligible: BoolArray
    affordable: BoolArray
    sd_before: float
    sd_after: float
    spent: float
    spent_by_source: Mapping[int, float]
    led_by_single: bool

    def order(self) -> IntArray:
        """All pool rows, best first: the batch, then affordable ones by score, unaffordable, ineligible."""
        batch = np.array([pick.index for pick in self.picks], dtype=np.int64)
        # the last key of lexsort is the first to be compared; equal scores keep the order of the pool
        listed = np.lexsort((-self.scores, ~self.affordable, ~self.eligible)).astype(np.int64)
        return np.concatenate([batch, listed[~np.isin(listed, batch)]])


def _check_vector(name: str, values: npt.NDArray[np.generic], size: int) -> None:
    if values.shape != (size,):
        raise InvalidProblemError(
            f"{name} has shape {values.shape}; expected ({size},), one entry for each row."
        )
    broken = np.flatnonzero(~np.isfinite(values.astype(np.float64)))
    if broken.size:
        raise InvalidProblemError(f"{name} is not finite in row {broken[0]}; correct or remove that row.")


def _check_positive(name: str, values: FloatArray, remedy: str) -> None:
    broken = np.flatnonzero(values <= 0)
    if broken.size:
        row = int(broken[0])
        raise InvalidProblemError(f"{name} is {values[row]:g} in row {row}; it must be above 0: {remedy}.")
