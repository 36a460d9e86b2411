"""Rules of standing vetoes: a sample that one has named is proposed by no later round, until it is lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.audit import repository as audit
from service.database.models import Sample, SampleVeto
from service.errors import ConflictError
from service.lifecycles import OPEN
from service.samples import repository, service
from service.vocabulary import SampleStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def veto(session: Session, sample_id: int, *, reason: str, actor: str) -> Sample:
    """Say that no round may propose the sample.

    Raises:
        NotFoundError: if there is no such sample.
        ConflictError: if it is no candidate, vetoed already, or proposed or pending.
    """
    sample = service.get(session, sample_id)
    repository.get_for_update(session, sample_id)  # of two vetoes at once the second finds the first
    if sample.status is not SampleStatus.CANDIDATE:
        message = f"Sample {sample_id} is {sample.status}: no round would propose it anyway."
        raise ConflictError(message, hint="Veto candidates only.")
    if repository.standing_veto(session, sample_id) is not None:
        message = f"Sample {sample_id} is vetoed already."
        raise ConflictError(
            message, hint=f"To change the reason, POST /api/v1/samples/{sample_id}:unveto first."
        )
    if sample_id in repository.open_sample_ids(session, sample.campaign_id, OPEN):
        message = f"Sample {sample_id} is proposed or pending: a veto would come too late."
        raise ConflictError(message, hint="Reject or abandon its recommendation, then veto it.")
    row = SampleVeto(campaign_id=sample.campaign_id, sample_id=sample_id, reason=reason, actor=actor)
    repository.add_veto(session, row)
    _record(session, actor, "veto", sample, before=None, after=reason)
    return repository.get(session, sample_id, again=True) or sample


def lift(session: Session, sample_id: int, *, actor: str) -> Sample:
    """Let later rounds propose the sample again.

    Raises:
        NotFoundError: if there is no such sample.
        ConflictError: if it is not vetoed.
    """
    sample = service.get(session, sample_id)
    row = repository.standing_veto(session, sample_id)
    if row is None:
        raise ConflictError(f"Sample {sample_id} is not vetoed.", hint="Nothing has to be done.")
    repository.lift_veto(session, row)
    _record(session, actor, "unveto", sample, before=row.reason, after=None)
    return repository.get(session, sample_id, again=True) or sample


def _record(
    session: Session, actor: str, action: str, sample: Sample, *, before: str | None, after: str | None
) -> None:
    audit.record(
        session,
        actor,
        action,
        "sample",
        sample.id,
        campaign_id=sample.campaign_id,
        before={"veto": before},
        after={"veto": after},
    )
