"""Why a candidate is recommended, in one plain sentence or two with figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from worker.acquisition.problem import Arm, Pick
from worker.acquisition.regions import RegionWording


class Novelty(StrEnum):
    """How far a candidate is from the labelled samples, measured by how far these are from each other."""

    CLOSE = "close to"
    MODERATE = "at a moderate distance from"
    FAR = "far from"


@dataclass(frozen=True)
class Wording:
    """Names and units that the algorithms do not know.

    Attributes:
        target_unit: such as "g"; empty for a target without a unit.
        currency: of the acquisition costs.
        sources: name of each source by index; a source without one goes unnamed.
        labelled: name of each labelled row; empty leaves the row number.
        region: what the points of the target domain are in original words and units.
    """

    target_unit: str = ""
    currency: str = "USD"
    sources: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    region: RegionWording = field(default_factory=RegionWording)

    def labelled_name(self, row: int) -> str:
        return self.labelled[row] if self.labelled else f"row {row}"

    def source_name(self, index: int) -> str:
        return self.sources[index] if 0 <= index < len(self.sources) else ""


@dataclass(frozen=True)
class ReasonFacts:
    """The figures behind one recommendation.

    Attributes:
        pick: the pick, with its arm, money and variances in target units.
        strategy: registered name.
        novelty: distance class of the candidate.
        nearest: name of the nearest labelled sample.
        distance: distance to it, root mean square over the encoded features, in their standard deviations.
        source: name of the source, or empty.
        leads: the guard put this candidate first.
        repeated: name of the labelled sample that it repeats, or empty.
        repeated_precision: data weight of that sample, 1 is a plain label.
        region: the part of the target domain that it serves most, in words.
    """

    pick: Pick
    strategy: str
    novelty: Novelty
    nearest: str
    distance: float
    source: str
    leads: bool
    repeated: str
    repeated_precision: float
    region: str


def reason_text(facts: ReasonFacts, wording: Wording) -> str:
    """The reason in plain English."""
    sentences = [
        _origin(facts),
        _repetition(facts),
        _gain(facts, wording),
        _surroundings(facts, wording),
        f"Region served: {facts.region}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _origin(facts: ReasonFacts) -> str:
    if facts.pick.arm is Arm.INJECTED:
        return "Injected: in the batch because it was asked for, not for its merit."
    if facts.pick.arm is Arm.CONTROL:
        drawn_from = round(1.0 / facts.pick.selection_probability)
        return (
            f"Control: drawn at random from {drawn_from:,} candidates, not for its merit, so that later results "
            "show whether the chosen ones teach more than chance."
        )
    if facts.strategy == "random":
        return "Drawn at random, as the strategy `random` asks."
    if facts.leads:
        return (
            "Comes first because it alone is worth more than a whole batch of its rivals, whatever they cost."
        )
    if facts.strategy == "lcmd":
        return "The farthest design of the group that is covered worst by known tests."
    return ""


def _repetition(facts: ReasonFacts) -> str:
    if not facts.repeated:
        return ""
    return (
        f"Repeat test {facts.repeated}: its label does not fit what the other tests say (it counts "
        f"as {facts.repeated_precision:.2f} of a plain label), so its neighbourhood is badly covered."
    )


def _gain(facts: ReasonFacts, wording: Wording) -> str:
    before, after = _two_figures(facts.pick.sd_before, facts.pick.sd_after)
    unit = f" {wording.target_unit}" if wording.target_unit else ""
    text = f"Expected to lower the predictive sd on the target domain from {before}{unit} to {after}{unit}"
    relevance = "" if facts.pick.relevance == 1.0 else f" (relevance {facts.pick.relevance:.2f})"
    return f"{text}{relevance};"


def _surroundings(facts: ReasonFacts, wording: Wording) -> str:
    paid = f"as a {facts.source.replace('_', ' ')} " if facts.source else ""
    return (
        f"{facts.novelty} tests done so far (nearest labelled: {facts.nearest}, {facts.distance:.2f} standard "
        f"deviations away); {paid}it costs {facts.pick.acquisition_cost:,.0f} {wording.currency}."
    )


def _two_figures(before: float, after: float) -> tuple[str, str]:
    """Both numbers with the fewest decimals, from 2 to 6, that show a difference."""
    for decimals in range(2, 6):
        texts = f"{before:.{decimals}f}", f"{after:.{decimals}f}"
        if texts[0] != texts[1]:
            return texts
    return f"{before:.6f}", f"{after:.6f}"
