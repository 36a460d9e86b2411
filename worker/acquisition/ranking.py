"""One acquisition round from encoded inputs and a trained ensemble to a ranked, explained list."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from worker.acquisition.basket import price
from worker.acquisition.designs import design_ids, surroundings
from worker.acquisition.errors import EmptyPoolError, InvalidProblemError, NoTargetDomainError
from worker.acquisition.evidence import Evidence, evidence_without_backtest
from worker.acquisition.explanations import Labels, Recommendation, explain
from worker.acquisition.feasibility import StandingRule, standing_rules
from worker.acquisition.features import draw_sketch, gradient_features
from worker.acquisition.problem import (
    BatchLimits,
    FloatArray,
    IntArray,
    RankingProblem,
    Selection,
)
from worker.acquisition.reasons import Wording
from worker.acquisition.relevance import transport_relevance
from worker.acquisition.strategies import strategy_named
from worker.lossval.network import EnsembleNetwork

Matrix = npt.NDArray[np.floating] | Tensor
Progress = Callable[[float, str], None]
SingleArray = npt.NDArray[np.float32]
# Features of a large pool take so much memory at most, as long as that leaves LEAST_COLUMNS of them.
FEATURE_BYTES = 3 * 2**28
LEAST_COLUMNS = 128


@dataclass(frozen=True)
class RankingConfig:
    """How a round is ranked.

    Attributes:
        strategy: registered name, see `strategies.STRATEGIES`.
        batch_size, budget, source_budgets, cost_exponent, control_fraction: see `BatchLimits`; the choice of
            the default cost exponent is explained in `selection.py`.
        source_quotas, source_minimums, source_capacity, source_lead_time_hours, longest_lead_time_hours,
            most_per_group: see `BatchLimits`.
        relevance_strength: lambda in [0, 1) of the transport relevance (`relevance.py`); 0 leaves it out.
        sketch_dimension: p, columns of the gradient features; a large pool gets fewer (`sketch_columns`).
        noise_variance: variance of one label's error as a share of the target's variance.
        target_scale: standard deviation of the target over the labelled samples in target units, the scale
            by which the surrogate's target was standardised; 1 leaves information in standardised units.
    """

    strategy: str = "variance_reduction"
    batch_size: int = 20
    budget: float | None = None
    source_budgets: Mapping[int, float] | None = None
    cost_exponent: float = 0.5
    control_fraction: float = 0.1
    source_quotas: Mapping[int, int] | None = None
    source_minimums: Mapping[int, int] | None = None
    source_capacity: Mapping[int, int] | None = None
    source_lead_time_hours: Mapping[int, float] | None = None
    longest_lead_time_hours: float | None = None
    most_per_group: int | None = None
    relevance_strength: float = 0.0
    sketch_dimension: int = 512
    noise_variance: float = 0.05
    target_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("noise_variance", "target_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidProblemError(f"{name} is {value}; it must be a finite number above 0.")
        if not 0.0 <= self.relevance_strength < 1.0:
            raise InvalidProblemError(
                f"relevance_strength is {self.relevance_strength}; choose it from 0 to below 1."
            )

    def limits(self) -> BatchLimits:
        """Size, money, sources, groups and control arm; raises InvalidProblemError if one is out of range."""
        return BatchLimits(
            batch_size=self.batch_size,
            budget=self.budget,
            source_budgets=dict(self.source_budgets or {}),
            cost_exponent=self.cost_exponent,
            control_fraction=self.control_fraction,
            source_quotas=dict(self.source_quotas or {}),
            source_minimums=dict(self.source_minimums or {}),
            source_capacity=dict(self.source_capacity or {}),
            source_lead_time_hours=dict(self.source_lead_time_hours or {}),
            longest_lead_time_hours=self.longest_lead_time_hours,
            most_per_group=self.most_per_group,
        )


@dataclass(frozen=True)
class Ranking:
    """The answer of a round.

    Attributes:
        recommendations: the batch in order.
        selection: scores and information of the whole pool, sd before and after, money spent.
        order: (m,) all pool rows, best first; it starts with the batch.
        relevance, predicted, predicted_std: (m,) as they were given.
        evidence: whether the advice has proved itself.
        strategy: registered name that was used.
        price_factor: (m,) 1 / price^alpha, by which a strategy that minds prices multiplies gain and relevance.
        rules: the rules that keep candidates out whatever else is picked, in the order in which they hold.
    """

    recommendations: tuple[Recommendation, ...]
    selection: Selection
    order: IntArray
    relevance: FloatArray
    predicted: FloatArray
    predicted_std: FloatArray
    evidence: Evidence
    strategy: str
    price_factor: FloatArray
    rules: tuple[StandingRule, ...]


@dataclass(frozen=True)
class _Inputs:
    """The encoded rows of a round as checked arrays, in the single precision of the network."""

    labelled: SingleArray
    pool: SingleArray
    pending: SingleArray
    target: SingleArray


def rank_pool(
    network: EnsembleNetwork,
    *,
    X_labelled: Matrix,
    label_precision: npt.ArrayLike,
    X_pool: Matrix,
    X_pending: Matrix,
    X_target: Matrix,
    acquisition_cost: npt.ArrayLike,
    source: npt.ArrayLike,
    relevance: npt.ArrayLike | None,
    predicted: npt.ArrayLike,
    predicted_std: npt.ArrayLike,
    config: RankingConfig,
    seed: int,
    device: torch.device | str = "cpu",
    labelled_targets: npt.ArrayLike | None = None,
    repeats: npt.ArrayLike = (),
    pending_repeats: npt.ArrayLike = (),
    group: npt.ArrayLike = (),
    injected: npt.ArrayLike = (),
    vetoed: npt.ArrayLike = (),
    candidate_precision: npt.ArrayLike = (),
    pending_precision: npt.ArrayLike = (),
    wording: Wording | None = None,
    progress: Progress | None = None,
) -> Ranking:
    """Rank a pool and choose the batch to acquire next.

    The features are scaled so that the mean prior variance on the target domain is the target's variance:
    before any label the model knows the mean and spread of the target and nothing else. So all variances are
    in squared target units and `sd_before <= target_scale`. The pool and the pending rows do not enter
    that scale.

    Args:
        network: the trained surrogate, one output, moved to `device`; d inputs.
        X_labelled: (n, d) encoded labelled rows, n >= 1, executed features.
        label_precision: (n,) data weights w >= 0 with mean about 1; all ones is the standard method.
        X_pool: (m, d) encoded planned features of the candidates.
        X_pending: (q, d) of approved, ordered and running candidates, q >= 0.
        X_target: (t, d) points of the target domain, t >= 1. Encode them with the source for which the
            surrogate has to be good (the physical test): a simulation is then worth what it tells about it.
        acquisition_cost: (m,) money, > 0.
        source: (m,) source index.
        relevance: (m,) factor on the gain, > 0; None is neutral. The transport relevance of the configuration
            comes on top.
        predicted: (m,) prediction in target units.
        predicted_std: (m,) its spread over the ensemble, target units.
        config: strategy, limits, scales.
        seed: rules the sketch, the control arm and every other draw: same input, same seed, same result.
        device: where the features live and are multiplied (must know float64).
        labelled_targets: (n,) for the explanations, target units.
        repeats: (m,) row of `X_labelled` that a candidate repeats, -1 for an ordinary one; `X_pool` has that
            sample's features there. Empty: none repeats.
        pending_repeats: rows of `X_labelled` of which a repetition is pending, beside those whose design is
            among `X_pending`.
        group: (m,) whole-numbered label of each candidate's group, -1 for none; or empty.
        injected: rows of `X_pool` that a person forces into the batch, in that order.
        vetoed: rows of `X_pool` that nobody may pick.
        candidate_precision: (m,) precision of an observation where it is not 1, such as by its source; a
            labelled sample's goes into `label_precision`. Empty for 1.
        pending_precision: (q,) the same of the pending rows.
        wording: names and units for the reasons.
        progress: called with the finished share and what comes next.

    Returns:
        The ranking. A pool or budget smaller than the batch gives a shorter batch.

    Raises:
        AcquisitionError: with a remedy; see the tree in `errors.py`.

    Cost: O((n + q + t + m) (K (widths) p / K + p^2) + p^3 + batch * m p): linear in the pool. 2,000
    candidates, 300 labels, p = 512, batch 20: about half a second on one core. Memory: the features,
    4 m p bytes (`sketch_columns`), the encoded pool, 4 m d, and about 150 m for scores and the like.
    """
    report = progress or _silent
    strategy, wording = strategy_named(config.strategy), wording or Wording()
    inputs = _checked_inputs(network, X_labelled, X_pool, X_pending, X_target)
    report(0.0, "gradient features")
    features = _scaled_features(network.to(device), inputs, config, seed)
    labelled_ids, pending_ids, pool_ids = design_ids(inputs.labelled, inputs.pending, inputs.pool)
    precision = np.asarray(label_precision, dtype=np.float64)
    repeated = np.asarray(repeats, dtype=np.int64)
    under_way = np.asarray(pending_repeats, dtype=np.int64)
    problem = RankingProblem(
        candidates=features["candidates"],
        labelled=features["labelled"],
        pending=features["pending"],
        target=features["target"],
        inputs=torch.from_numpy(inputs.pool),
        known_inputs=torch.from_numpy(np.concatenate([inputs.labelled, inputs.pending])),
        label_precision=precision,
        noise_variance=config.noise_variance * config.target_scale**2,
        acquisition_cost=np.asarray(acquisition_cost, dtype=np.float64),
        source=np.asarray(source, dtype=np.int64),
        relevance=_relevance(inputs, precision, relevance, config, seed),
        predicted=np.asarray(predicted, dtype=np.float64),
        predicted_std=np.asarray(predicted_std, dtype=np.float64),
        design=pool_ids,
        known_designs=np.concatenate([labelled_ids, pending_ids]),
        limits=config.limits(),
        seed=seed,
        repeats=repeated,
        pending_repeats=np.concatenate([under_way, _repeats_among(repeated, pool_ids, pending_ids)]),
        group=np.asarray(group, dtype=np.int64),
        injected=np.asarray(injected, dtype=np.int64),
        vetoed=np.asarray(vetoed, dtype=np.int64),
        candidate_precision=np.asarray(candidate_precision, dtype=np.float64),
        pending_precision=np.asarray(pending_precision, dtype=np.float64),
    )
    report(0.4, "batch selection")
    selection = strategy.select(problem)
    report(0.9, "reasons")
    picked = inputs.pool[[pick.index for pick in selection.picks]]
    around = surroundings(picked.astype(np.float64), inputs.labelled.astype(np.float64))
    labels = Labels(precision, labelled_targets)
    ranking = Ranking(
        recommendations=explain(problem, selection, around, labels, config.strategy, wording),
        selection=selection,
        order=selection.order(),
        relevance=problem.relevance,
        predicted=problem.predicted,
        predicted_std=problem.predicted_std,
        evidence=evidence_without_backtest(len(inputs.labelled)),
        strategy=config.strategy,
        price_factor=price(problem) ** -problem.limits.cost_exponent,
        rules=tuple(standing_rules(problem)),
    )
    report(1.0, "done")
    return ranking


def _silent(_share: float, _text: str) -> None:
    """Nobody follows the progress."""


def _checked_inputs(
    network: EnsembleNetwork, labelled: Matrix, pool: Matrix, pending: Matrix, target: Matrix
) -> _Inputs:
    if len(pool) == 0:
        raise EmptyPoolError("The pool has no candidate; add designs without a result to the campaign.")
    if len(target) == 0:
        raise NoTargetDomainError(
            "The target domain has no point; mark samples as validation or describe the designs to predict."
        )
    if len(labelled) == 0:
        raise InvalidProblemError("There is no labelled sample; add at least one result before ranking.")
    columns = network.widths[0]
    return _Inputs(
        labelled=_checked("X_labelled", labelled, columns),
        pool=_checked("X_pool", pool, columns),
        pending=_checked("X_pending", pending, columns),
        target=_checked("X_target", target, columns),
    )


def _checked(name: str, matrix: Matrix, columns: int) -> SingleArray:
    values = matrix.detach().cpu().numpy() if isinstance(matrix, Tensor) else np.asarray(matrix)
    if values.ndim != 2 or values.shape[1] != columns:
        raise InvalidProblemError(f"{name} has shape {values.shape}; the surrogate takes {columns} columns.")
    with np.errstate(over="ignore"):  # what overflows is named below
        single = values.astype(np.float32, copy=False)
    broken = np.flatnonzero(~np.isfinite(single).all(axis=1))
    if broken.size:
        raise InvalidProblemError(f"{name} is not finite in row {broken[0]}; correct or remove that row.")
    return single


def sketch_columns(wanted: int, rows: int) -> int:
    """Columns p of the features of a pool: as wanted, but no more than memory has room for.

    The features of all rows, 4 bytes each, shall fit into 768 MiB, so that a worker with a million candidates
    stays below 2 GiB: 512 columns up to 393,216 rows, 192 for a million; never below 128. A sketch of p columns
    estimates the kernel with a standard deviation of about 2 / sqrt(p) (`features.py`), 9 % at 512 and 14 % at 192.
    Fewer columns were chosen over half precision: CPUs multiply float16 slower than they read float32.

    Args:
        wanted: p of the configuration.
        rows: m, size of the pool.

    Returns:
        `wanted`, or less in steps of 64.
    """
    room = FEATURE_BYTES // (4 * rows) // 64 * 64
    return min(wanted, max(room, LEAST_COLUMNS))


def _relevance(
    inputs: _Inputs, precision: FloatArray, given: npt.ArrayLike | None, config: RankingConfig, seed: int
) -> FloatArray:
    """The factor that was given times the transport relevance; without strength nothing is solved."""
    factor = np.ones(len(inputs.pool)) if given is None else np.asarray(given, dtype=np.float64)
    if config.relevance_strength == 0.0:
        return factor
    known = np.concatenate([inputs.labelled, inputs.pending])
    return factor * transport_relevance(
        torch.from_numpy(inputs.pool).double(),
        torch.from_numpy(known).double(),
        np.concatenate([precision, np.ones(len(inputs.pending))]),
        torch.from_numpy(inputs.target).double(),
        strength=config.relevance_strength,
        generator=torch.Generator().manual_seed(seed),
    )


def _repeats_among(repeats: IntArray, pool_ids: IntArray, pending_ids: IntArray) -> IntArray:
    """Labelled rows of which a repetition in the pool is the design of a pending row."""
    if not repeats.size:
        return repeats
    return repeats[(repeats >= 0) & np.isin(pool_ids, pending_ids)]


def _scaled_features(
    network: EnsembleNetwork, inputs: _Inputs, config: RankingConfig, seed: int
) -> dict[str, Tensor]:
    columns = sketch_columns(config.sketch_dimension, len(inputs.pool))
    sketch = draw_sketch(network, columns, torch.Generator().manual_seed(seed))
    like = network.weights[0]

    def features(X: SingleArray) -> Tensor:
        return gradient_features(network, torch.from_numpy(X).to(like), sketch)

    target = features(inputs.target)
    scale = config.target_scale / math.sqrt(float(target.double().square().sum(1).mean()))
    return {
        "candidates": features(inputs.pool).mul_(scale),
        "labelled": features(inputs.labelled).mul_(scale),
        "pending": features(inputs.pending).mul_(scale),
        "target": target.mul_(scale),
    }
