"""Which tests are suspicious, why, and which of them wait for a decision (again)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.database.models import Campaign, Review, ValuationRun
from service.reviews import repository
from service.reviews.repository import ValuedRow
from service.samples import service as samples
from service.valuations import service as valuations
from service.valuations.diagnosis import READABLE_MODE, STANDS_OUT, Diagnosis, diagnose
from service.vocabulary import Finding, ReviewDecision

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A confirmed label is asked about again when the worse side of its value falls by more than this since.
ASK_AGAIN_DROP = 0.2
_SUSPICIOUS = {
    Diagnosis.WRONG_LABEL: Finding.WRONG_LABEL,
    Diagnosis.WRONG_FEATURES: Finding.WRONG_FEATURES,
}


@dataclass(frozen=True)
class Found:
    """One thing that speaks against a test."""

    finding: Finding
    sentence: str


@dataclass(frozen=True)
class Suspect:
    """A suspicious test of the newest run with the last decision about it."""

    row: ValuedRow
    valuation_run_id: int
    findings: tuple[Found, ...]
    last_decision: Review | None

    @property
    def worst(self) -> float:
        """The worse side of its value; lower is more suspicious."""
        return min(self.row.value_target_loss, self.row.value_transport)


def waiting(session: Session, campaign: Campaign) -> list[Suspect]:
    """Suspicious tests that wait for a decision, worst first; none before the first valuation run.

    O(labelled samples) for the look without a network, O(suspects) for the rest.
    """
    run = valuations.newest_succeeded(session, campaign)
    return [] if run is None else still_waiting(session, run, suspicious(session, campaign, run))


def still_waiting(session: Session, run: ValuationRun, suspects: Sequence[Suspect]) -> list[Suspect]:
    """Those of the suspicious tests of a run that wait for a decision, worst first."""
    reviewed = [s.last_decision.retest_sample_id for s in suspects if s.last_decision is not None]
    repeated = repository.valued_among(session, run.id, [key for key in reviewed if key is not None])
    found = [suspect for suspect in suspects if waits(suspect, repeated)]
    return sorted(found, key=lambda suspect: (suspect.worst, suspect.row.sample_id))


def suspicious(session: Session, campaign: Campaign, run: ValuationRun) -> list[Suspect]:
    """All suspicious tests of a run, decided or not; a test that is only far from the target domain is none."""
    found = _outliers(session, campaign)
    decisions = repository.newest_by_sample(session, campaign.id)
    is_readable = run.configuration.get("mode", READABLE_MODE) == READABLE_MODE
    below = STANDS_OUT if is_readable else float("-inf")
    suspects = []
    for row in repository.low_values(session, run.id, below=below, also=found):
        reasons = (*(_by_value(row) if is_readable else ()), *found.get(row.sample_id, ()))
        if reasons:
            suspects.append(Suspect(row, run.id, reasons, decisions.get(row.sample_id)))
    return suspects


def _by_value(row: ValuedRow) -> tuple[Found, ...]:
    kind = _SUSPICIOUS.get(diagnose(row.value, row.value_target_loss, row.value_transport))
    if kind is None:
        return ()
    share = row.value_target_loss if kind is Finding.WRONG_LABEL else row.value_transport
    what = "label does not fit the others" if kind is Finding.WRONG_LABEL else "features lie off the others"
    return (Found(kind, f"Its {what}: wrong with probability {_chance(share)}."),)


def _chance(side: float) -> str:
    """What is missing to certainty, as a percentage that never claims certainty."""
    return f"{min(99, round(100 * (1 - side)))} %"


def _outliers(session: Session, campaign: Campaign) -> Mapping[int, Sequence[Found]]:
    """What a look at the labelled samples without a network finds."""
    features, labels = samples.labelled_outliers(session, campaign)
    units = {feature["name"]: feature.get("unit", "1") for feature in campaign.feature_schema}
    found: dict[int, list[Found]] = defaultdict(list)
    for label in labels:
        text = f"Its label {label.target:.2f} is {label.reason} ({label.expected:.2f}), {abs(label.z):.1f} robust sd."
        found[label.sample_id].append(Found(Finding.LABEL_OUTLIER, text))
    for item in features:
        unit = units.get(item.feature, "1")
        value = f"{item.value:.4g}" if unit in {"", "1"} else f"{item.value:.4g} {unit}"
        name = item.feature.removesuffix(f"_{unit.lower().replace('/', '')}").replace("_", " ")
        text = f"{name} {value} lies {abs(item.z):.1f} robust sd from the median {item.median:.4g}."
        found[item.sample_id].append(Found(Finding.FEATURE_OUTLIER, text))
    return found


def waits(suspect: Suspect, valued_repetitions: Iterable[int]) -> bool:
    """Whether somebody is asked (again): nothing was decided, or the evidence has changed since.

    Args:
        suspect: with the last decision.
        valued_repetitions: repetitions that the newest run has valued.
    """
    last = suspect.last_decision
    if last is None or suspect.row.target != last.evidence["target"]:
        return True
    if last.decision in {ReviewDecision.DISMISSED, ReviewDecision.CORRECTED}:
        return suspect.valuation_run_id > last.valuation_run_id
    if _has_new_finding(suspect, last):
        return True
    if last.decision is ReviewDecision.CONFIRMED:
        before = min((side for side in _sides(last) if side is not None), default=1.0)
        return suspect.worst < before - ASK_AGAIN_DROP
    return last.retest_sample_id in set(valued_repetitions)


def _has_new_finding(suspect: Suspect, last: Review) -> bool:
    known = set(last.evidence["findings"])
    return any(found.finding.value not in known for found in suspect.findings)


def _sides(review: Review) -> tuple[float | None, float | None]:
    return review.evidence["value_target_loss"], review.evidence["value_transport"]
