"""Rules of injections: designs that people want in the next round, whatever their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.campaigns import service as campaigns
from service.database.models import Campaign, Injection
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.injections import repository
from service.injections.schemas import InjectionCreate
from service.lifecycles import OPEN
from service.pagination import PageRequest, cut_page
from service.samples import repository as samples_repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def make(session: Session, campaign: Campaign, request: InjectionCreate, *, actor: str) -> list[Injection]:
    """Inject these samples, all or none; an earlier injection of one of them is withdrawn.

    Raises:
        InputError: naming each sample that is no candidate of the campaign which a round could acquire.
    """
    ids = list(dict.fromkeys(request.sample_ids))
    if errors := list(_refusals(session, campaign, ids)):
        hint = "Only designs without a result, outside of the validation samples and not vetoed, can be injected."
        raise InputError("Nothing was injected: not all of these can be acquired.", hint=hint, errors=errors)
    for earlier in repository.standing_for(session, ids):
        _end(session, earlier, actor=actor)
    session.flush()  # before the new ones: one stands for a sample at most
    made = [
        Injection(campaign_id=campaign.id, sample_id=key, reason=request.reason, actor=actor) for key in ids
    ]
    repository.add(session, made)
    for row in made:
        after = {"sample_id": row.sample_id, "reason": row.reason}
        audit.record(session, actor, "create", "injection", row.id, campaign_id=campaign.id, after=after)
    return made


def _refusals(session: Session, campaign: Campaign, ids: Sequence[int]) -> Iterator[FieldError]:
    known = samples_repository.candidates_among(session, campaign.id, ids)
    vetoed = samples_repository.vetoed_ids(session, campaign.id)
    for index, key in enumerate(ids):
        if key not in known:
            yield FieldError(f"/sample_ids/{index}", f"sample {key} is no candidate of this campaign")
        elif key in vetoed:
            yield FieldError(f"/sample_ids/{index}", f"sample {key} is vetoed: lift the veto first")


def campaign_of(session: Session, injection_id: int) -> Campaign:
    """The campaign of an injection.

    Raises:
        NotFoundError: if there is no such injection.
    """
    injection = repository.get(session, injection_id)
    if injection is None:
        raise NotFoundError(f"There is no injection {injection_id}.")
    return campaigns.get(session, injection.campaign_id)


def withdraw(session: Session, injection_id: int, *, actor: str) -> Injection:
    """Let the rounds to come choose freely again.

    Raises:
        NotFoundError: if there is no such injection.
        ConflictError: if it was withdrawn already.
    """
    injection = repository.get_for_update(session, injection_id)
    if injection is None:
        raise NotFoundError(f"There is no injection {injection_id}.")
    if injection.withdrawn_at is not None:
        raise ConflictError(f"Injection {injection_id} was withdrawn already, by {injection.withdrawn_by}.")
    _end(session, injection, actor=actor)
    return injection


def _end(session: Session, injection: Injection, *, actor: str) -> None:
    injection.withdrawn_at, injection.withdrawn_by = datetime.now(UTC), actor
    audit.record(session, actor, "withdraw", "injection", injection.id, campaign_id=injection.campaign_id)


def standing(session: Session, campaign: Campaign) -> Sequence[Injection]:
    """What shall be in the next round, with samples, their vetoes and sources, oldest first."""
    return repository.standing(session, campaign.id)


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Injection], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def heeded(session: Session, campaign: Campaign, configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a round with what people inject; what the request itself names goes first.

    Injections that the batch has no room for wait for the round after it, those of vetoed samples until the veto
    is lifted. One whose sample is proposed or pending is fulfilled.
    """
    named: list[int] = configuration["injected_sample_ids"]
    out = {
        *named,
        *configuration["vetoed_sample_ids"],
        *samples_repository.vetoed_ids(session, campaign.id),
        *samples_repository.open_sample_ids(session, campaign.id, OPEN),
    }
    found = repository.standing(session, campaign.id)
    more = [row.sample_id for row in found if row.sample_id not in out]
    room = max(0, configuration["batch_size"] - len(named))
    return configuration | {"injected_sample_ids": [*named, *more[:room]]}
