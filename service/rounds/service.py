"""Rules of rounds from outside: start, read, cancel, close. How one goes on by itself: `steps.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.acquisitions import service as acquisitions
from service.audit import repository as audit
from service.campaigns import repository as campaigns_repository
from service.database.models import Campaign, CampaignRound
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.lifecycles import RecommendationStatus, RoundEnd, RoundStep
from service.pagination import PageRequest, cut_page
from service.rounds import repository
from service.rounds.schemas import RoundConfiguration, RoundRead
from service.valuations import service as valuations

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# In these steps people or sources are waited for; before them, computations that `cancel` ends.
CLOSABLE = frozenset({RoundStep.DECIDE, RoundStep.ORDER, RoundStep.COLLECT})


def start(
    session: Session,
    campaign: Campaign,
    configuration: RoundConfiguration,
    *,
    actor: str,
    schedule_id: int | None = None,
    follows: CampaignRound | None = None,
) -> CampaignRound:
    """A new round, at its first step.

    Raises:
        ConflictError: if the campaign has an open round.
        InputError: if the configuration names a source that the campaign does not have.
    """
    check(campaign, configuration)
    campaigns_repository.lock(session, campaign.id)
    if (current := repository.open_of(session, campaign.id)) is not None:
        hint = f"See /api/v1/rounds/{current.id}: wait, or close or cancel it first."
        raise ConflictError(f"{_name(current)} of the campaign is open: {current.step}.", hint=hint)
    round_ = CampaignRound(
        campaign_id=campaign.id,
        number=1 if follows is None else follows.number + 1,
        follows_id=None if follows is None else follows.id,
        schedule_id=schedule_id,
        configuration=configuration.model_dump(mode="json"),
        requested_by=actor,
    )
    repository.add(session, round_)
    audit.record(
        session, actor, "start", "round", round_.id, campaign_id=campaign.id, after=round_.configuration
    )
    return round_


def check(campaign: Campaign, configuration: RoundConfiguration, pointer: str = "") -> None:
    """Refuse what the campaign does not have or allow; `pointer` leads to the configuration in the request.

    Raises:
        InputError: naming it.
    """
    if campaign.four_eyes and configuration.auto_approve is not None:
        errors = [FieldError(f"{pointer}/auto_approve", "the campaign demands four eyes: people decide")]
        raise InputError("The configuration does not fit the campaign.", errors=errors)
    known = {source.name for source in campaign.sources}
    approved = (configuration.auto_approve.sources if configuration.auto_approve else None) or []
    named = [(f"/auto_approve/sources/{index}", name) for index, name in enumerate(approved)]
    named += [
        (f"/acquisition/source_budgets/{name}", name) for name in configuration.acquisition.source_budgets
    ]
    errors = [
        FieldError(pointer + place, f"unknown source '{name}': use one of {', '.join(sorted(known))}")
        for place, name in named
        if name not in known
    ]
    if errors:
        raise InputError("The configuration does not fit the campaign.", errors=errors)


def configuration_of(round_: CampaignRound) -> RoundConfiguration:
    return RoundConfiguration.model_validate(round_.configuration)


def get(session: Session, round_id: int) -> CampaignRound:
    """The round.

    Raises:
        NotFoundError: if there is none with this id.
    """
    round_ = repository.get(session, round_id)
    if round_ is None:
        raise NotFoundError(f"There is no round {round_id}.")
    return round_


def open_round(session: Session, campaign: Campaign) -> CampaignRound | None:
    """The campaign's round that is not closed; there is one at most."""
    return repository.open_of(session, campaign.id)


def newest(session: Session, campaign: Campaign) -> CampaignRound | None:
    """The open round, else the one that was closed last; None before the first."""
    return repository.newest(session, campaign.id)


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[CampaignRound], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def read(session: Session, round_: CampaignRound) -> RoundRead:
    return read_all(session, [round_])[0]


def read_all(session: Session, rounds: Sequence[CampaignRound]) -> list[RoundRead]:
    """Rounds with the counts of their recommendations, in one more statement."""
    counts = repository.status_counts(
        session, [row.acquisition_round_id for row in rounds if row.acquisition_round_id is not None]
    )
    return [
        RoundRead.model_validate(row).model_copy(
            update={"recommendations": counts.get(row.acquisition_round_id or 0, {})}
        )
        for row in rounds
    ]


def _name(round_: CampaignRound) -> str:
    """By its ranking, as people see rounds everywhere; addresses hold the id of the round itself."""
    ranking = round_.acquisition_round_id
    return "The new round" if ranking is None else f"Round {ranking}"


def _locked(session: Session, round_id: int) -> CampaignRound:
    round_ = repository.get_for_update(session, round_id)
    if round_ is None:
        raise NotFoundError(f"There is no round {round_id}.")
    if round_.step in {RoundStep.CLOSE, RoundStep.CLOSED}:
        message = f"{_name(round_)} is closed already: {round_.closed_reason}."
        raise ConflictError(message, hint=f"See /api/v1/rounds/{round_id}.")
    return round_


def cancel(session: Session, round_id: int, *, actor: str) -> CampaignRound:
    """Stop the round where it is: computations end, proposals expire, what is approved stays approved.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it is closed already.
    """
    round_ = _locked(session, round_id)
    step = round_.step
    _cancel_runs(session, round_, actor)
    expire(session, round_, actor=actor, reason="the round was cancelled")
    end(session, round_, RoundEnd.CANCELLED, f"cancelled by {actor} in step {step}")
    audit_end(session, round_, "cancel", actor, step)
    return round_


def _cancel_runs(session: Session, round_: CampaignRound, actor: str) -> None:
    """End the computation that the round waits for; one that has ended meanwhile is left as it is."""
    if round_.step is RoundStep.VALUE:
        run = valuations.get(session, round_.valuation_run_id or 0)
        if not run.status.is_terminal:
            valuations.cancel(session, run.id, actor=actor)
    if round_.step is RoundStep.RANK:
        ranking = acquisitions.get_round(session, round_.acquisition_round_id or 0)
        if not ranking.status.is_terminal:
            acquisitions.cancel_round(session, ranking.id, actor=actor)


def close(session: Session, round_id: int, *, actor: str) -> CampaignRound:
    """Wait no longer: what is proposed expires, results that come later are accepted as late ones.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it is closed already, or still computes.
    """
    round_ = _locked(session, round_id)
    if round_.step not in CLOSABLE:
        message = f"{_name(round_)} is at step {round_.step}: nothing can be closed yet."
        raise ConflictError(message, hint="Wait for its proposals, or cancel it.")
    step = round_.step
    expire(session, round_, actor=actor, reason="the round was closed")
    end(session, round_, ending_of(session, round_), f"closed by {actor}")
    audit_end(session, round_, "close", actor, step)
    return round_


def audit_end(session: Session, round_: CampaignRound, action: str, actor: str, step: RoundStep) -> None:
    audit.record(
        session, actor, action, "round", round_.id, campaign_id=round_.campaign_id,
        before={"step": step}, after={"step": round_.step, "closed_reason": round_.closed_reason},
    )  # fmt: skip


def expire(session: Session, round_: CampaignRound, *, actor: str, reason: str) -> None:
    """End every proposal of the round that nobody has decided on."""
    if round_.acquisition_round_id is None:
        return
    for row in repository.lock_recommendations(session, round_.acquisition_round_id):
        if row.status is RecommendationStatus.PROPOSED:
            acquisitions.change(session, row.id, RecommendationStatus.EXPIRED, actor=actor, reason=reason)


def ending_of(session: Session, round_: CampaignRound) -> RoundEnd:
    """How a round ends whose batch is no longer waited for."""
    session.flush()
    counts = repository.status_counts(session, [round_.acquisition_round_id or 0])
    statuses = {status for found in counts.values() for status in found}
    if any(status.is_open for status in statuses):
        return RoundEnd.PARTIAL
    unwanted = {RecommendationStatus.REJECTED, RecommendationStatus.EXPIRED}
    return RoundEnd.NOTHING_APPROVED if statuses <= unwanted else RoundEnd.COMPLETED


def end(session: Session, round_: CampaignRound, reason: RoundEnd, detail: str) -> None:
    """Take the way out; the step `close` finds the reason."""
    round_.closed_reason, round_.detail = reason, detail[:2000]
    round_.step, round_.step_since = RoundStep.CLOSE, datetime.now(UTC)
    session.flush()
