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
from worker.acquisition.information import TargetPosterior

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
CHECK_ROWS = 8192


class Arm(StrEnum):
    """Why a pick is in the batch: a person forced it, the strategy chose it, or chance drew it as control."""

    INJECTED = "injected"
    CHOSEN = "chosen"
    CONTROL = "control"


def _no_numbers() -> FloatArray:
    return np.empty(0, dtype=np.float64)


def _no_rows() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class BatchLimits:
    """Size, money, sources, groups and control arm of one batch; `feasibility.py` says how they are applied.

    Attributes:
        batch_size: picks at most; a smaller pool or budget gives a shorter batch.
        budget: money for the whole batch in the currency of the costs; None is no limit.
        source_budgets: money per source index; a source that is not listed has no pot of its own.
        cost_exponent: alpha in [0, 1] of score = gain * relevance / price^alpha. 0 ignores money below the
            budget, 1 is plain gain per money.
        control_fraction: share in [0, 1) of the batch that is drawn at random.
        source_quotas: most picks of a source in the batch, by source index.
        source_minimums: least picks of a source, as long as it has a candidate that may be picked.
        source_capacity: places left at a source, such as free slots of a test track: at most that many picks.
        source_lead_time_hours: how long a source takes; a source that is not listed takes no time.
        longest_lead_time_hours: how long the round may wait; None is no limit.
        most_per_group: picks of one group, such as a vehicle platform; None is no limit.
    """

    batch_size: int = 20
    budget: float | None = None
    source_budgets: Mapping[int, float] = field(default_factory=dict)
    cost_exponent: float = 0.5
    control_fraction: float = 0.1
    source_quotas: Mapping[int, int] = field(default_factory=dict)
    source_minimums: Mapping[int, int] = field(default_factory=dict)
    source_capacity: Mapping[int, int] = field(default_factory=dict)
    source_lead_time_hours: Mapping[int, float] = field(default_factory=dict)
    longest_lead_time_hours: float | None = None
    most_per_group: int | None = None

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
        self._check_counts()
        self._check_lead_times()

    @property
    def limited(self) -> bool:
        return self.budget is not None or bool(self.source_budgets)

    @property
    def source_places(self) -> dict[int, int]:
        """Most picks of each limited source: the lesser of its quota and its capacity."""
        both = [self.source_quotas, self.source_capacity]
        sources = sorted({*self.source_quotas, *self.source_capacity})
        return {source: min(places[source] for places in both if source in places) for source in sources}

    def _check_counts(self) -> None:
        for name in ("source_quotas", "source_minimums", "source_capacity"):
            if any(count < 0 for count in getattr(self, name).values()):
                raise InvalidProblemError(f"{name} has a negative number; give a count of 0 or more.")
        if self.most_per_group is not None and self.most_per_group < 1:
            raise InvalidProblemError(
                f"most_per_group is {self.most_per_group}; allow at least 1 or no limit."
            )
        if sum(self.source_minimums.values()) > self.batch_size:
            raise InvalidProblemError(
                f"source_minimums ask for more than the {self.batch_size} places of the batch; lower them."
            )
        places = self.source_places
        for source, least in self.source_minimums.items():
            if least > places.get(source, least):
                raise InvalidProblemError(
                    f"source_minimums ask for {least} picks of source {source}, whose quota or capacity is "
                    f"{places[source]}; lower the one or raise the other."
                )

    def _check_lead_times(self) -> None:
        longest = [] if self.longest_lead_time_hours is None else [self.longest_lead_time_hours]
        if not all(time >= 0 for time in [*longest, *self.source_lead_time_hours.values()]):
            raise InvalidProblemError("A lead time is negative or not a number; give hours, 0 or more.")


@dataclass(frozen=True)
class RankingProblem:
    """One acquisition round as a strategy sees it: m candidates, n labelled, q pending, t target points.

    Attributes:
        candidates: (m, p) features of the pool.
        labelled: (n, p) features of the labelled samples.
        label_precision: (n,) data weights w >= 0; a label counts as observed with variance sigma^2 / w.
        pending: (q, p) features of what is approved, ordered or running: known already, with w = 1.
        target: (t, p) features of points of the target domain.
        inputs: (m, d) encoded designs of the pool, for strategies that need no surrogate.
        known_inputs: (n + q, d) encoded designs of the labelled and pending rows.
        noise_variance: sigma^2 in the squared unit of the features.
        acquisition_cost: (m,) money, > 0.
        source: (m,) source index of each candidate.
        relevance: (m,) factor on the gain, > 0, 1 is neutral.
        predicted, predicted_std: (m,) the surrogate's prediction in target units.
        design: (m,) id of the normalised planned features; equal designs have equal ids.
        known_designs: ids of the labelled and pending designs; never proposed again.
        limits: size, money, sources, groups, control arm.
        seed: rules every random draw of the round.
        repeats: (m,) row of the labelled sample that a candidate would repeat, -1 for an ordinary design;
            empty if no candidate repeats one.
        pending_repeats: rows of the labelled samples of which a repetition is pending.
        group: (m,) label of each candidate's group, such as its vehicle platform, -1 for none; empty without
            groups.
        injected: rows of the pool that a person forces into the batch, in that order.
        vetoed: rows of the pool that nobody may pick.
        candidate_precision: (m,) an observation of a candidate has variance sigma^2 / precision, > 0; empty
            for 1. A source whose results scatter less, such as a simulation, has more than 1.
        pending_precision: (q,) the same of the pending rows; empty for 1.

    An array that may be empty is so by default: a round without it gives the same bytes as one where every
    entry is neutral.

    Raises:
        EmptyPoolError, NoTargetDomainError, InvalidProblemError.
    """

    candidates: Tensor
    labelled: Tensor
    label_precision: FloatArray
    pending: Tensor
    target: Tensor
    inputs: Tensor
    known_inputs: Tensor
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
    repeats: IntArray = field(default_factory=_no_rows)
    pending_repeats: IntArray = field(default_factory=_no_rows)
    group: IntArray = field(default_factory=_no_rows)
    injected: IntArray = field(default_factory=_no_rows)
    vetoed: IntArray = field(default_factory=_no_rows)
    candidate_precision: FloatArray = field(default_factory=_no_numbers)
    pending_precision: FloatArray = field(default_factory=_no_numbers)

    def __post_init__(self) -> None:
        if self.candidates.shape[0] == 0:
            raise EmptyPoolError("The pool has no candidate; add designs without a result to the campaign.")
        if self.target.shape[0] == 0:
            raise NoTargetDomainError(
                "The target domain has no point; mark samples as validation or describe the designs to predict."
            )
        self._check_matrices()
        self._check_vectors()
        self._check_optional_vectors()
        self._check_rows()
        if not (math.isfinite(self.noise_variance) and self.noise_variance > 0):
            raise InvalidProblemError(f"noise_variance is {self.noise_variance}; it must be above 0.")

    @property
    def size(self) -> int:
        return int(self.candidates.shape[0])

    def posterior(self, *, target: Tensor | None = None) -> TargetPosterior:
        """What is known before the batch, about the target domain or about other (t, p) points."""
        known = torch.from_numpy(self.label_precision).to(self.labelled.device, torch.float64)
        under_way = known.new_ones(self.pending.shape[0])
        if self.pending_precision.size:
            under_way = torch.from_numpy(self.pending_precision).to(under_way)
        return TargetPosterior(
            candidates=self._unit_precision(),
            observed=torch.cat([self.labelled, self.pending]),
            precision=torch.cat([known, under_way]),
            target=self.target if target is None else target,
            noise_variance=self.noise_variance,
        )

    def _unit_precision(self) -> Tensor:
        """(m, p) features sqrt(w) phi: to observe phi with precision w is to observe these with precision 1."""
        if not self.candidate_precision.size:
            return self.candidates
        root = torch.from_numpy(np.sqrt(self.candidate_precision)).to(self.candidates)
        return self.candidates * root.unsqueeze(1)

    def _check_matrices(self) -> None:
        features, inputs = self.candidates.shape[1], self.inputs.shape[1]
        expected = {"candidates": features, "labelled": features, "pending": features, "target": features}
        for name, columns in (expected | {"inputs": inputs, "known_inputs": inputs}).items():
            matrix: Tensor = getattr(self, name)
            if matrix.dim() != 2 or matrix.shape[1] != columns:
                raise InvalidProblemError(
                    f"{name} has shape {tuple(matrix.shape)}; expected {columns} columns as the pool has."
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

    def _check_optional_vectors(self) -> None:
        sizes = {"repeats": self.size, "group": self.size, "candidate_precision": self.size}
        for name, size in {**sizes, "pending_precision": int(self.pending.shape[0])}.items():
            values = getattr(self, name)
            if values.size:
                _check_vector(name, values, size)
        for name in ("candidate_precision", "pending_precision"):
            _check_positive(name, getattr(self, name), "use 1 for an ordinary observation")

    def _check_rows(self) -> None:
        labelled = int(self.labelled.shape[0])
        _check_range("repeats", self.repeats, -1, labelled)
        _check_range("pending_repeats", self.pending_repeats, 0, labelled)
        for name in ("injected", "vetoed"):
            _check_range(name, getattr(self, name), 0, self.size)
        if len(np.unique(self.injected)) < len(self.injected):
            raise InvalidProblemError("injected names a row twice; name each row once.")


@dataclass(frozen=True)
class Pick:
    """One recommended candidate.

    Attributes:
        index: row in the pool.
        arm: injected, chosen or control.
        information: expected reduction of the mean target-domain variance at its turn, squared target
            units; higher is better.
        relevance: the factor that was used.
        score: gain * relevance / price^alpha of the strategy at its turn; 0 for an injected or control pick,
            which no score chose.
        selection_probability: probability of this draw at its turn, 1 / (number drawn from); 1 for a pick
            that the strategy or a person determined.
        acquisition_cost: money.
        price_share: share of its pot that it uses up (`selection.py`); None if no budget limits the batch.
        sd_before, sd_after: root of the mean target-domain variance before and after this pick.
    """

    index: int
    arm: Arm
    information: float
    relevance: float
    score: float
    selection_probability: float
    acquisition_cost: float
    price_share: float | None
    sd_before: float
    sd_after: float


@dataclass(frozen=True)
class Selection:
    """The batch and the scores of the whole pool.

    Attributes:
        picks: injected ones in their order, chosen ones in the order of choice, then the control arm. The
            control arm is drawn before the chosen arm is selected, which knows it, so `sd_before` of the first
            chosen pick includes it.
        served: (b, t) fall of the variance at each target point by each pick at its turn, squared target
            units; its mean over the points is the pick's `information`.
        scores: (m,) the strategy's score before any pick; higher is better.
        information: (m,) expected variance reduction before any pick, squared target units.
        eligible: (m,) False for what may not be picked in this round, whatever else is (`feasibility.py`).
        affordable: (m,) whether the budgets pay this candidate alone.
        sd_before, sd_after: root of the mean target-domain variance before and after the batch.
        spent: money of the batch.
        spent_by_source: the same per source index.
        led_by_single: the guard put the affordable candidate of the largest gain first.
    """

    picks: tuple[Pick, ...]
    served: FloatArray
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


def _check_range(name: str, rows: IntArray, least: int, end: int) -> None:
    broken = rows[(rows < least) | (rows >= end)]
    if broken.size:
        raise InvalidProblemError(f"{name} names row {broken[0]}; rows run from {least} to {end - 1}.")
