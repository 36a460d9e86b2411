"""From the picks of a batch to recommendations: components, neighbours, the region served and a reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.acquisition.designs import Surroundings
from worker.acquisition.errors import InvalidProblemError
from worker.acquisition.problem import FloatArray, Pick, RankingProblem, Selection
from worker.acquisition.reasons import ReasonFacts, Wording, reason_text
from worker.acquisition.regions import Region, served_region


@dataclass(frozen=True)
class Neighbour:
    """A labelled sample near a recommended design.

    Attributes:
        row: of the labelled samples.
        name: as users know it.
        distance: root mean square over the encoded features, in their standard deviations.
        target: its target value in target units; None if the ranking was not told.
        precision: its data weight, 1 is a plain label; lower = more doubtful.
    """

    row: int
    name: str
    distance: float
    target: float | None
    precision: float


@dataclass(frozen=True)
class Recommendation:
    """One row of the batch: the pick, its place and why.

    Attributes:
        rank: 1 is the first to acquire.
        pick: row, arm and the components: information, relevance, price share, score, sd before and after,
            probability, cost.
        predicted, predicted_std: the surrogate's prediction in target units.
        gain_share: its share of what the batch takes from the mean target-domain variance, in [0, 1].
        neighbours: the (up to three) nearest labelled samples, the nearest first.
        region: the part of the target domain that it serves most.
        repeats: row of the labelled sample whose test it repeats; None for a new design.
        reason: plain English.
    """

    rank: int
    pick: Pick
    predicted: float
    predicted_std: float
    gain_share: float
    neighbours: tuple[Neighbour, ...]
    region: Region
    repeats: int | None
    reason: str

    @property
    def nearest_labelled(self) -> int:
        return self.neighbours[0].row

    @property
    def distance(self) -> float:
        """To the nearest labelled sample."""
        return self.neighbours[0].distance


class Labels:
    """What is known of the n labelled samples beside their features.

    Args:
        precision: (n,) data weights.
        targets: (n,) in target units, or None.

    Raises:
        InvalidProblemError: not one target for each sample.
    """

    def __init__(self, precision: FloatArray, targets: npt.ArrayLike | None) -> None:
        self.precision = precision
        self.targets = None if targets is None else np.asarray(targets, dtype=np.float64)
        if self.targets is not None and self.targets.shape != precision.shape:
            raise InvalidProblemError(
                f"labelled_targets has shape {self.targets.shape}; expected {precision.shape}, one for each label."
            )

    def neighbour(self, row: int, distance: float, wording: Wording) -> Neighbour:
        target = None if self.targets is None else float(self.targets[row])
        return Neighbour(row, wording.labelled_name(row), distance, target, float(self.precision[row]))


def explain(
    problem: RankingProblem,
    selection: Selection,
    around: Surroundings,
    labels: Labels,
    strategy: str,
    wording: Wording,
) -> tuple[Recommendation, ...]:
    """The recommendations of a batch of b picks, in order.

    Args:
        problem: the round.
        selection: its answer; it says already what each pick takes from each of the t target points.
        around: neighbours of the picks, in their order.
        labels: data weights and targets of the labelled samples.
        strategy: registered name.
        wording: names and units.

    Cost: O(b t (log t + features)).
    """
    gains = selection.served.mean(axis=1)
    whole = float(gains.sum())
    result = []
    for place, pick in enumerate(selection.picks):
        found = zip(around.nearest[place].tolist(), around.distance[place].tolist(), strict=True)
        neighbours = tuple(labels.neighbour(row, distance, wording) for row, distance in found)
        region = served_region(selection.served[place], wording.region)
        repeats = _repeated(problem, pick)
        facts = ReasonFacts(
            pick=pick,
            strategy=strategy,
            novelty=around.novelty[place],
            nearest=neighbours[0].name,
            distance=neighbours[0].distance,
            source=wording.source_name(int(problem.source[pick.index])),
            leads=selection.led_by_single and place == len(problem.injected),
            repeated="" if repeats is None else wording.labelled_name(repeats),
            repeated_precision=1.0 if repeats is None else float(labels.precision[repeats]),
            region=region.text,
        )
        result.append(
            Recommendation(
                rank=place + 1,
                pick=pick,
                predicted=float(problem.predicted[pick.index]),
                predicted_std=float(problem.predicted_std[pick.index]),
                gain_share=float(gains[place]) / whole if whole > 0 else 0.0,
                neighbours=neighbours,
                region=region,
                repeats=repeats,
                reason=reason_text(facts, wording),
            )
        )
    return tuple(result)


def _repeated(problem: RankingProblem, pick: Pick) -> int | None:
    row = int(problem.repeats[pick.index]) if problem.repeats.size else -1
    return row if row >= 0 else None
