"""Rules of wishes: designs that people inject into the next round, or veto in all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.campaigns import service as campaigns
from service.database.models import Campaign, Wish
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.lifecycles import OPEN
from service.pagination import PageRequest, cut_page
from service.samples import repository as samples_repository
from service.vocabulary import WishKind
from service.wishes import repository
from service.wishes.schemas import WishCreate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def make(session: Session, campaign: Campaign, request: WishCreate, *, actor: str) -> list[Wish]:
    """Wish for these samples, all or none; an earlier wish for one of them is withdrawn.

    Raises:
        InputError: naming each sample that is no candidate of the campaign which a round could acquire.
    """
    ids = list(dict.fromkeys(request.sample_ids))
    _require_candidates(session, campaign, ids)
    for earlier in repository.standing_for(session, ids):
        _end(session, earlier, actor=actor)
    session.flush()  # before the new ones: one stands for a sample at most
    wishes = [
        Wish(campaign_id=campaign.id, sample_id=key, kind=request.kind, reason=request.reason, actor=actor)
        for key in ids
    ]
    repository.add(session, wishes)
    for wish in wishes:
        after = {"kind": wish.kind, "sample_id": wish.sample_id, "reason": wish.reason}
        audit.record(session, actor, "create", "wish", wish.id, campaign_id=campaign.id, after=after)
    return wishes


def _require_candidates(session: Session, campaign: Campaign, ids: Sequence[int]) -> None:
    known = samples_repository.candidates_among(session, campaign.id, ids)
    errors = [
        FieldError(f"/sample_ids/{index}", f"sample {key} is no candidate of this campaign")
        for index, key in enumerate(ids)
        if key not in known
    ]
    if errors:
        hint = "Only designs without a result, outside of the validation samples, can be injected or vetoed."
        raise InputError("Nothing was changed: not all of these can be acquired.", hint=hint, errors=errors)


def campaign_of(session: Session, wish_id: int) -> Campaign:
    """The campaign of a wish.

    Raises:
        NotFoundError: if there is no such wish.
    """
    wish = repository.get(session, wish_id)
    if wish is None:
        raise NotFoundError(f"There is no wish {wish_id}.")
    return campaigns.get(session, wish.campaign_id)


def withdraw(session: Session, wish_id: int, *, actor: str) -> Wish:
    """Let the rounds to come choose freely again.

    Raises:
        NotFoundError: if there is no such wish.
        ConflictError: if it was withdrawn already.
    """
    wish = repository.get_for_update(session, wish_id)
    if wish is None:
        raise NotFoundError(f"There is no wish {wish_id}.")
    if wish.withdrawn_at is not None:
        raise ConflictError(f"Wish {wish_id} was withdrawn already, by {wish.withdrawn_by}.")
    _end(session, wish, actor=actor)
    return wish


def _end(session: Session, wish: Wish, *, actor: str) -> None:
    wish.withdrawn_at, wish.withdrawn_by = datetime.now(UTC), actor
    audit.record(session, actor, "withdraw", "wish", wish.id, campaign_id=wish.campaign_id)


def standing(session: Session, campaign: Campaign) -> Sequence[Wish]:
    """What the next round has to heed, with samples and sources, oldest first."""
    return repository.standing(session, campaign.id)


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Wish], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def heeded(session: Session, campaign: Campaign, configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a round with what people wish for; what the request itself names goes first.

    Injections that the batch has no room for wait for the round after it. One whose sample is proposed or
    pending is fulfilled.
    """
    injected: list[int] = list(configuration["injected_sample_ids"])
    vetoed: list[int] = list(configuration["vetoed_sample_ids"])
    wishes = repository.standing(session, campaign.id)
    open_ids = samples_repository.open_sample_ids(session, campaign.id, OPEN)
    more = _wanted(wishes, WishKind.INJECT, {*injected, *vetoed, *open_ids})
    room = configuration["batch_size"] - len(injected)
    return configuration | {
        "injected_sample_ids": injected + more[: max(0, room)],
        "vetoed_sample_ids": vetoed + _wanted(wishes, WishKind.VETO, {*injected, *vetoed}),
    }


def _wanted(wishes: Sequence[Wish], kind: WishKind, without: Collection[int]) -> list[int]:
    return [wish.sample_id for wish in wishes if wish.kind is kind and wish.sample_id not in without]
