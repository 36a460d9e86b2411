"""Rules of decisions about suspicious tests: each has an author, a reason, its evidence and an audit event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.campaigns import service as campaigns
from service.database.models import Campaign, DataValue, Review, Sample, ValuationRun
from service.errors import ConflictError, FieldError, InputError
from service.pagination import PageRequest, cut_page
from service.reviews import repository
from service.reviews.schemas import Correction, FindingRead, ReviewRead, SuspectRead
from service.reviews.suspects import Suspect, still_waiting, suspicious
from service.samples import repository as samples_repository
from service.samples import service as samples
from service.samples.validation import check_target
from service.valuations import service as valuations
from service.vocabulary import ReviewDecision, SampleStatus, Split

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ACTIONS = {
    ReviewDecision.CONFIRMED: "confirm_label",
    ReviewDecision.DISMISSED: "dismiss_doubt",
    ReviewDecision.CORRECTED: "correct_label",
    ReviewDecision.RETESTED: "retest",
}


@dataclass(frozen=True)
class Case:
    """A labelled sample about which something is decided, locked, with what speaks against it in the newest run."""

    campaign: Campaign
    run: ValuationRun
    sample: Sample
    suspect: Suspect | None
    value: DataValue | None

    @property
    def evidence(self) -> dict[str, Any]:
        value = self.value
        return {
            "findings": [found.finding.value for found in self.suspect.findings] if self.suspect else [],
            "value": value.value if value else None,
            "value_target_loss": value.value_target_loss if value else None,
            "value_transport": value.value_transport if value else None,
            "target": self.sample.target,
        }


def read_suspect(suspect: Suspect) -> SuspectRead:
    last = suspect.last_decision
    return SuspectRead(
        **vars(suspect.row),
        valuation_run_id=suspect.valuation_run_id,
        findings=[FindingRead.model_validate(found) for found in suspect.findings],
        last_decision=ReviewRead.model_validate(last) if last else None,
    )


def confirm(session: Session, sample_id: int, *, reason: str, actor: str) -> Review:
    """The label is right: not asked again until the evidence changes.

    Raises:
        NotFoundError: if there is no such sample.
        ConflictError: if it has no label, nothing was valued yet, or it does not wait for a decision.
    """
    case = _waiting_case(session, sample_id)
    return _decide(session, case, ReviewDecision.CONFIRMED, reason=reason, actor=actor)


def dismiss(session: Session, sample_id: int, *, reason: str, actor: str) -> Review:
    """Set it aside until a later valuation doubts it, too; raises as `confirm`."""
    case = _waiting_case(session, sample_id)
    return _decide(session, case, ReviewDecision.DISMISSED, reason=reason, actor=actor)


def correct(session: Session, sample_id: int, request: Correction, *, actor: str) -> Review:
    """Give it another label; the one of before stays in its history.

    Raises:
        NotFoundError: if there is no such sample.
        ConflictError: if it has no label, or nothing was valued yet.
        InputError: if the label does not fit the campaign or is the present one.
    """
    case = _case(session, sample_id)
    sample, before = case.sample, case.sample.target
    errors: list[FieldError] = []
    target = check_target(request.target, samples.schema_of(case.campaign).target, errors)
    if not errors and target == before:
        errors.append(FieldError("/target", "is the present label: confirm it instead"))
    if errors:
        raise InputError("The label cannot be corrected so.", errors=errors)
    sample.target, sample.label_details = target, None
    sample.label_definition = request.label_definition or sample.label_definition
    samples.record_labels(session, [sample], actor=actor, reason=request.reason)
    return _decide(
        session, case, ReviewDecision.CORRECTED, reason=request.reason, actor=actor, before={"target": before}
    )


def retest(session: Session, sample_id: int, *, reason: str, actor: str) -> Review:
    """Make a repetition of the test a candidate, which competes with new designs in the next round.

    Raises:
        NotFoundError: if there is no such sample.
        ConflictError: if it has no label, nothing was valued yet, it stands in another split than train, is a
            repetition itself, or waits for its repetition already.
    """
    case = _case(session, sample_id)
    sample = case.sample
    if sample.split is not Split.TRAIN:
        message = f"Sample {sample.id} is in split {sample.split}: only training samples are acquired again."
        raise ConflictError(message, hint="Correct its label once you know the right one.")
    if sample.repeats_sample_id is not None:
        message = f"Sample {sample.id} is a repetition itself."
        raise ConflictError(message, hint=f"Ask for another repetition of sample {sample.repeats_sample_id}.")
    if samples.has_open_repetition(session, sample):
        message = f"A repetition of sample {sample.id} is a candidate already."
        raise ConflictError(message, hint="Request a round, or inject it.")
    made = samples.add_repetitions(session, case.campaign, [sample.id], actor=actor)
    return _decide(
        session, case, ReviewDecision.RETESTED, reason=reason, actor=actor, retest_sample_id=made[sample.id]
    )


def _case(session: Session, sample_id: int) -> Case:
    """The sample, locked; two who decide at once do so one after the other."""
    samples.get(session, sample_id)
    sample = samples_repository.get_for_update(session, sample_id)
    if sample.status is not SampleStatus.LABELLED:
        message = f"Sample {sample_id} has no label to decide about."
        raise ConflictError(message, hint="Complete its recommendation, or upload its test.")
    campaign = campaigns.get(session, sample.campaign_id)
    run = valuations.newest_succeeded(session, campaign)
    if run is None:
        message = "Nothing was valued yet: no label is suspicious."
        raise ConflictError(message, hint=f"POST /api/v1/campaigns/{campaign.id}/valuation-runs first.")
    found = (s for s in suspicious(session, campaign, run) if s.row.sample_id == sample_id)
    return Case(campaign, run, sample, next(found, None), repository.value_of(session, run.id, sample_id))


def _waiting_case(session: Session, sample_id: int) -> Case:
    case = _case(session, sample_id)
    if case.suspect is None or not still_waiting(session, case.run, [case.suspect]):
        hint = "It is not suspicious, or has been decided about since you looked: read the queue again."
        raise ConflictError(f"Sample {sample_id} does not wait for a decision.", hint=hint)
    return case


def _decide(
    session: Session,
    case: Case,
    decision: ReviewDecision,
    *,
    reason: str,
    actor: str,
    retest_sample_id: int | None = None,
    before: dict[str, Any] | None = None,
) -> Review:
    review = Review(
        campaign_id=case.campaign.id,
        sample_id=case.sample.id,
        valuation_run_id=case.run.id,
        decision=decision,
        evidence=case.evidence,
        retest_sample_id=retest_sample_id,
        actor=actor,
        reason=reason,
    )
    repository.add(session, review)
    after = {"review_id": review.id, "reason": reason, "target": case.sample.target}
    if retest_sample_id is not None:
        after["retest_sample_id"] = retest_sample_id
    audit.record(
        session, actor, ACTIONS[decision], "sample", case.sample.id, campaign_id=case.campaign.id, before=before,
        after=after,
    )  # fmt: skip
    return review


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Review], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def newest(session: Session, campaign: Campaign, *, limit: int) -> Sequence[tuple[Review, Sample]]:
    """The last decisions with their samples, newest first."""
    return repository.newest(session, campaign.id, limit)


def of_sample(session: Session, sample: Sample) -> Sequence[Review]:
    """All decisions about the sample, oldest first."""
    return repository.of_sample(session, sample.id)


def values_of(session: Session, sample: Sample) -> Sequence[DataValue]:
    """The values of the sample in all runs, oldest first."""
    return repository.values_of(session, sample.id)
