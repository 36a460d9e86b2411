"""Why a candidate is recommended, in one plain sentence or two with figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from worker.acquisition.problem import Arm


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
    """

    target_unit: str = ""
    currency: str = "USD"
    sources: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReasonFacts:
    """The figures behind one recommendation.

    Attributes:
        arm: chosen or control.
        strategy: registered name.
        sd_before, sd_after: root of the mean predictive variance on the target domain, target units.
        novelty: distance class of the candidate.
        nearest: name of the nearest labelled sample.
        distance: distance to it, root mean square over the encoded features, in their standard deviations.
        acquisition_cost: money.
        source: name of the source, or empty.
        relevance: factor on the gain, 1 is neutral.
        selection_probability: of the random draw.
        leads: the guard put this candidate first.
    """

    arm: Arm
    strategy: str
    sd_before: float
    sd_after: float
    novelty: Novelty
    nearest: str
    distance: float
    acquisition_cost: float
    source: str
    relevance: float
    selection_probability: float
    leads: bool


def reason_text(facts: ReasonFacts, wording: Wording) -> str:
    """The reason in plain English."""
    sentences = [_origin(facts), _gain(facts, wording), _surroundings(facts, wording)]
    return " ".join(sentence for sentence in sentences if sentence)


def _origin(facts: ReasonFacts) -> str:
    if facts.arm is Arm.CONTROL:
        drawn_from = round(1.0 / facts.selection_probability)
        return (
            f"Control: drawn at random from {drawn_from:,} candidates, not for its merit, so that later results "
            "show whether the chosen ones teach more than chance."
        )
    if facts.strategy == "random":
        return "Drawn at random, as the strategy `random` asks."
    if facts.leads:
        return (
            "Comes first because it alone is worth more than the whole batch that the budget buys without it."
        )
    if facts.strategy == "lcmd":
        return "The farthest design of the group that is covered worst by known tests."
    return ""


def _gain(facts: ReasonFacts, wording: Wording) -> str:
    before, after = _two_figures(facts.sd_before, facts.sd_after)
    unit = f" {wording.target_unit}" if wording.target_unit else ""
    text = f"Expected to lower the predictive sd on the target domain from {before}{unit} to {after}{unit}"
    relevance = "" if facts.relevance == 1.0 else f" (relevance {facts.relevance:.2f})"
    return f"{text}{relevance};"


def _surroundings(facts: ReasonFacts, wording: Wording) -> str:
    paid = f"as a {facts.source.replace('_', ' ')} " if facts.source else ""
    return (
        f"{facts.novelty} tests done so far (nearest labelled: {facts.nearest}, {facts.distance:.2f} standard "
        f"deviations away); {paid}it costs {facts.acquisition_cost:,.0f} {wording.currency}."
    )


def _two_figures(before: float, after: float) -> tuple[str, str]:
    """Both numbers with the fewest decimals, from 2 to 6, that show a difference."""
    for decimals in range(2, 6):
        texts = f"{before:.{decimals}f}", f"{after:.{decimals}f}"
        if texts[0] != texts[1]:
            return texts
    return f"{before:.6f}", f"{after:.6f}"
