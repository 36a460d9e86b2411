"""Rules of standing vetoes: a sample that one has named is proposed by no later round, until it is lifted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from service.audit import repository as audit
from service.database.models import Sample, SampleVeto
from service.errors import ConflictError, InputError
from service.lifecycles import OPEN
from service.samples import repository, service
from service.vocabulary import SampleStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAMED = 5


def veto(session: Session, sample_id: int, *, reason: str, actor: str) -> Sample:
    """Say that no round may propose the sample.

    Raises:
        NotFoundError: if there is no such sample.
        ConflictError: if it is no candidate, vetoed already, or proposed or pending.
    """
    sample = service.get(session, sample_id)
    veto_all(session, sample.campaign_id, [sample_id], reason=reason, actor=actor)
    return repository.get(session, sample_id, again=True) or sample


def veto_all(
    session: Session, campaign_id: int, sample_ids: Iterable[int], *, reason: str, actor: str
) -> list[SampleVeto]:
    """Say of several samples of one campaign that no round may propose them: all or none.

    Raises:
        InputError: if the campaign does not have all of them.
        ConflictError: naming those that are no candidates, vetoed already, or proposed or pending.
    """
    ids = list(dict.fromkeys(sample_ids))
    # Locked first: of two vetoes at once the second finds the first.
    found = {sample.id: sample for sample in repository.locked(session, campaign_id, ids)}
    if unknown := [key for key in ids if key not in found]:
        message = f"Nothing was vetoed: the campaign has no sample {_listed(map(str, unknown))}."
        raise InputError(message, hint="Leave them out.")
    _refuse(list(_refusals(session, campaign_id, [found[key] for key in ids])))
    rows = [SampleVeto(campaign_id=campaign_id, sample_id=key, reason=reason, actor=actor) for key in ids]
    repository.add_vetoes(session, rows)
    for key in ids:
        _record(session, actor, "veto", found[key], before=None, after=reason)
    return rows


def _refusals(session: Session, campaign_id: int, found: Sequence[Sample]) -> Iterator[tuple[str, str]]:
    """What speaks against a veto, and what to do."""
    vetoed = repository.vetoed_ids(session, campaign_id)
    taken = repository.open_sample_ids(session, campaign_id, OPEN)
    for sample in found:
        if refusal := _refusal(sample, vetoed, taken):
            yield refusal


def _refusal(sample: Sample, vetoed: Collection[int], taken: Collection[int]) -> tuple[str, str] | None:
    name = f"Sample {sample.id}" + (f" ({sample.external_id})" if sample.external_id else "")
    if sample.status is not SampleStatus.CANDIDATE:
        return f"{name} is {sample.status}: no round would propose it anyway.", "Veto candidates only."
    if sample.id in vetoed:
        return f"{name} is vetoed already.", "To change the reason, lift the veto first (`:unveto`)."
    if sample.id in taken:
        late = f"{name} is proposed or pending: a veto would come too late."
        return late, "Reject or abandon its recommendation, then veto it."
    return None


def _refuse(refusals: Sequence[tuple[str, str]]) -> None:
    if not refusals:
        return
    more = f" And {len(refusals) - NAMED} more." if len(refusals) > NAMED else ""
    told = " ".join(message for message, _ in refusals[:NAMED])
    hint = " ".join(dict.fromkeys(hint for _, hint in refusals))
    raise ConflictError(f"Nothing was vetoed. {told}{more}", hint=hint)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more


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


def standing(session: Session, campaign_id: int) -> Sequence[tuple[Sample, SampleVeto]]:
    """Candidates with their sources, and the vetoes that stand against them, the oldest first."""
    return repository.vetoed_candidates(session, campaign_id)


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
