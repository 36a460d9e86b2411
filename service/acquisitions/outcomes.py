"""What becomes of an acquisition: its result makes the sample labelled, its failure leaves it a candidate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from service.acquisitions import service
from service.acquisitions.schemas import Completion
from service.audit import repository as audit
from service.campaigns import service as campaigns
from service.database.models import Recommendation, Sample
from service.errors import ConflictError, FieldError, InputError
from service.lifecycles import RecommendationStatus
from service.samples import repository as samples_repository
from service.samples import service as samples
from service.samples.validation import check_features, check_target
from service.vocabulary import SampleStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def complete(session: Session, recommendation_id: int, result: Completion, *, actor: str) -> Recommendation:
    """Store the result; what was not said to differ was executed as planned.

    Raises:
        NotFoundError: if there is no such recommendation.
        TransitionError: if its status does not allow it.
        InputError: if target or features do not fit the campaign.
        ConflictError: if the sample has a label already (the first result stays).
    """
    row = service.change(
        session, recommendation_id, RecommendationStatus.COMPLETED, actor=actor, reason=result.reason
    )
    label(session, row.sample_id, result, actor=actor, recommendation_id=row.id, late=row.is_late)
    return row


def label(session: Session, sample_id: int, result: Completion, *, actor: str, **origin: Any) -> Sample:  # noqa: ANN401 - scalars for the audit
    """Make a sample labelled, with its first row of label history; `origin` stands in the audit event.

    Raises:
        InputError: if target or features do not fit the campaign.
        ConflictError: if the sample has a label already (the first result stays).
    """
    sample = samples_repository.get_for_update(session, sample_id)
    if sample.status is SampleStatus.LABELLED:
        message = f"Sample {sample.id} has its label already."
        raise ConflictError(message, hint="Add a repetition of the test as a sample of its own.")
    before = {"status": sample.status}
    _label(session, sample, result)
    samples.record_labels(session, [sample], actor=actor, reason=result.reason)
    audit.record(
        session,
        actor,
        "label",
        "sample",
        sample.id,
        campaign_id=sample.campaign_id,
        before=before,
        after={
            "status": sample.status,
            "target": sample.target,
            "label_definition": sample.label_definition,
            **origin,
        },
    )
    return sample


def _label(session: Session, sample: Sample, result: Completion) -> None:
    schema = samples.schema_of(campaigns.get(session, sample.campaign_id))
    errors: list[FieldError] = []
    executed = check_features(result.executed_features, schema, "/executed_features", errors)
    target = check_target(result.target, schema.target, errors)
    if errors:
        raise InputError("The result does not fit the campaign.", errors=errors)
    sample.executed_features = {**sample.planned_features, **executed}
    sample.target = target
    sample.label_definition = result.label_definition or schema.target.label_definition
    sample.label_details = result.label_details
    sample.status, sample.labelled_at = SampleStatus.LABELLED, datetime.now(UTC)


def abandon(session: Session, recommendation_id: int, *, actor: str, reason: str) -> Recommendation:
    """Give the design up for good: it is never proposed again.

    Raises:
        NotFoundError: if there is no such recommendation.
        TransitionError: if its status does not allow it.
    """
    row = service.change(
        session, recommendation_id, RecommendationStatus.ABANDONED, actor=actor, reason=reason
    )
    sample = samples_repository.get_for_update(session, row.sample_id)
    if sample.status is SampleStatus.CANDIDATE:
        before, sample.status = {"status": sample.status}, SampleStatus.ABANDONED
        audit.record(
            session, actor, "abandon", "sample", sample.id, campaign_id=row.campaign_id,
            before=before, after={"status": sample.status},
        )  # fmt: skip
    return row
