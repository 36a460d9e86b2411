"""Rules of acquisition rounds: what may be requested, proposed, decided and reported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from service.acquisitions import new_designs, repository
from service.acquisitions.configuration import check_configuration
from service.acquisitions.schemas import (
    AcquisitionRequest,
    AcquisitionRoundRead,
    RankedCandidateRead,
    RecommendationRead,
)
from service.audit import repository as audit
from service.backtests import service as backtests
from service.backtests.schemas import EvidenceRead
from service.campaigns import repository as campaigns_repository
from service.campaigns import service as campaigns
from service.database.models import (
    AcquisitionRound,
    Campaign,
    Recommendation,
    RecommendationChange,
    Surrogate,
)
from service.errors import ConflictError, NotFoundError, TransitionError
from service.injections import service as injections
from service.lifecycles import PENDING, RecommendationStatus
from service.pagination import PageRequest, cut_page
from service.runs import repository as runs_repository
from service.runs import service as runs
from service.valuations import promotions
from service.valuations import repository as valuations_repository
from service.vocabulary import SampleStatus, Strategy

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def request_round(
    session: Session, campaign: Campaign, request: AcquisitionRequest, *, actor: str
) -> AcquisitionRound:
    """A queued round with a frozen surrogate and budget, and with the designs that people inject.

    Raises:
        ConflictError: if there is no surrogate yet, or no money left.
        InputError: if the configuration names sources, features or samples that the campaign does not have.
        NotFoundError: if the surrogate is not one of this campaign.
    """
    surrogate = surrogate_for(session, campaign, request.surrogate_id)
    budget = budget_for(session, campaign, request)
    wanted = new_designs.with_new_candidates(session, campaign, request, actor=actor)
    check_configuration(session, campaign, wanted)
    backtest = backtests.newest_succeeded(session, campaign.id)
    round_ = AcquisitionRound(
        campaign_id=campaign.id,
        surrogate_id=surrogate.id,
        backtest_id=backtest.id if backtest else None,
        configuration=injections.heeded(session, campaign, wanted.model_dump(mode="json"))
        | {"budget": budget},
        seed=request.seed,
        dry_run=request.dry_run,
        requested_by=actor,
    )
    repository.add_round(session, round_)
    runs.submit(session, round_, actor=actor)
    return round_


def surrogate_for(session: Session, campaign: Campaign, surrogate_id: int | None) -> Surrogate:
    """The surrogate that ranks: the named one, else the one that serves.

    Raises:
        ConflictError: if there is none yet, or retention has deleted its network.
        NotFoundError: if it is not one of this campaign.
    """
    if surrogate_id is None:
        surrogate = promotions.serving_surrogate(session, campaign)
        if surrogate is None:
            message = "The campaign has no surrogate yet."
            hint = f"POST /api/v1/campaigns/{campaign.id}/valuation-runs and wait until it has succeeded."
            raise ConflictError(message, hint=hint)
        return surrogate
    surrogate = valuations_repository.get_surrogate(session, surrogate_id)
    if surrogate is None or surrogate.campaign_id != campaign.id:
        raise NotFoundError(f"Campaign {campaign.id} has no surrogate {surrogate_id}.")
    if not valuations_repository.has_artefact(session, surrogate_id):
        message = f"The network of surrogate {surrogate_id} was old and unused, and has been deleted."
        raise ConflictError(message, hint="Leave surrogate_id out for the one that serves.")
    return surrogate


def budget_for(session: Session, campaign: Campaign, request: AcquisitionRequest) -> str | None:
    """The budget of a round: what was asked for, and unless nothing is spent never more than what is left."""
    wanted = request.configuration.budget
    remaining = campaigns.remaining_budget(session, campaign)
    if remaining is None or (request.dry_run and wanted is not None):
        return None if wanted is None else str(wanted)
    if remaining <= 0:
        message = f"The budget of {campaign.budget:,} {campaign.currency} is used up."
        raise ConflictError(message, hint="Abandon approved recommendations, or start a campaign with more.")
    return str(remaining if wanted is None else min(wanted, remaining))


def get_round(session: Session, round_id: int) -> AcquisitionRound:
    """The round.

    Raises:
        NotFoundError: if there is none with this id.
    """
    round_ = repository.get_round(session, round_id)
    if round_ is None:
        raise NotFoundError(f"There is no acquisition round {round_id}.")
    return round_


def cancel_round(session: Session, round_id: int, *, actor: str) -> AcquisitionRound:
    """Cancel the round's computation.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if it has ended already.
    """
    round_ = repository.get_round_for_update(session, round_id)
    if round_ is None:
        raise NotFoundError(f"There is no acquisition round {round_id}.")
    runs.cancel(session, round_, actor=actor)
    return round_


def rounds_page(
    session: Session, campaign: Campaign, request: PageRequest
) -> tuple[Sequence[AcquisitionRound], bool]:
    return cut_page(runs_repository.page(session, AcquisitionRound, campaign.id, request), request.limit)


def read_rounds(
    session: Session, campaign_id: int, rounds: Sequence[AcquisitionRound]
) -> list[AcquisitionRoundRead]:
    """Rounds of one campaign as they go out, each with the evidence for its strategy."""
    evidence = backtests.newest_evidence(session, campaign_id)
    return [_read(round_, evidence(strategy_of(round_))) for round_ in rounds]


def read_round(session: Session, round_: AcquisitionRound) -> AcquisitionRoundRead:
    return read_rounds(session, round_.campaign_id, [round_])[0]


def _read(round_: AcquisitionRound, evidence: EvidenceRead) -> AcquisitionRoundRead:
    names = AcquisitionRoundRead.model_fields.keys() & AcquisitionRound.__mapper__.column_attrs.keys()
    return AcquisitionRoundRead.model_validate({
        **{name: getattr(round_, name) for name in names},
        "evidence": evidence.verdict,
        "evidence_sentence": evidence.sentence,
        "evidence_interval": evidence.interval,
    })  # fmt: skip


def strategy_of(round_: AcquisitionRound) -> str:
    """The strategy that ranked the round; before that, the one that was asked for."""
    ranked_by = (round_.metrics or {}).get("strategy")
    return str(ranked_by or round_.configuration.get("strategy", Strategy.AUTO))


def evidence_of(session: Session, campaign: Campaign, round_: AcquisitionRound | None) -> EvidenceRead:
    """The evidence for a round's strategy; without a round, for what `auto` would take."""
    evidence = backtests.newest_evidence(session, campaign.id)
    return evidence(strategy_of(round_) if round_ else Strategy.AUTO)


def ranking_page(
    session: Session, round_id: int, request: PageRequest
) -> tuple[list[RankedCandidateRead], bool]:
    """What the round kept of its ranking, best first.

    Raises:
        NotFoundError: if there is no such round.
    """
    rows, more = cut_page(repository.ranking_page(session, round_id, request), request.limit)
    if not rows:
        get_round(session, round_id)  # a round without a line may be none at all
    return [RankedCandidateRead.model_validate(row) for row in rows], more


def recommendation_fields(row: Recommendation) -> dict[str, Any]:
    """The row with what its sample and source add."""
    columns = {column.key: getattr(row, column.key) for column in Recommendation.__mapper__.column_attrs}
    return {
        **columns,
        "external_id": row.sample.external_id,
        "source": row.sample.source.name,
        "planned_features": row.sample.planned_features,
        "repeats_sample_id": row.sample.repeats_sample_id,
        "lead_time_hours": row.sample.source.lead_time_hours,
        "allowed": sorted(row.status.allowed),
    }


def recommendations_of_campaign(
    session: Session, campaign_id: int, request: PageRequest, *, status: RecommendationStatus | None
) -> tuple[list[RecommendationRead], bool]:
    """Those of all rounds, oldest first, and whether there are more.

    Raises:
        NotFoundError: if there is no such campaign.
    """
    found = repository.page(session, request, campaign_id=campaign_id, status=status)
    return _recommendations(campaigns.listed(session, campaign_id, found), request)


def recommendations_of_round(
    session: Session, round_id: int, request: PageRequest
) -> tuple[list[RecommendationRead], bool]:
    """The batch of a round, best first, and whether there is more."""
    return _recommendations(repository.page(session, request, round_id=round_id), request)


def _recommendations(
    found: Sequence[dict[str, Any]], request: PageRequest
) -> tuple[list[RecommendationRead], bool]:
    rows, more = cut_page(found, request.limit)
    return [
        RecommendationRead.model_validate({**row, "allowed": sorted(row["status"].allowed)}) for row in rows
    ], more


def newest_rounds(
    session: Session, campaign: Campaign, *, limit: int, dry_runs: bool = False
) -> Sequence[AcquisitionRound]:
    """The newest first; dry runs only where they are asked for."""
    return repository.newest_rounds(session, campaign.id, limit=limit, dry_runs=dry_runs)


def newest_succeeded_round(session: Session, campaign: Campaign) -> AcquisitionRound | None:
    """The ranking whose strategy is asked about now; None before the first."""
    return repository.newest_succeeded(session, campaign.id)


def overdue(session: Session, campaign: Campaign) -> int:
    """Ordered or running acquisitions that take longer than their source's lead time."""
    return repository.overdue(session, campaign.id)


def by_round(
    session: Session, campaign: Campaign, *, status: RecommendationStatus | None, offset: int, limit: int
) -> list[tuple[AcquisitionRound, list[Recommendation]]]:
    """A page of recommendations, the newest round first, each round in the order of its ranks."""
    rows = repository.of_campaign(session, campaign.id, status=status, offset=offset, limit=limit)
    rounds = {
        round_.id: round_ for round_ in repository.rounds_with_ids(session, {row.round_id for row in rows})
    }
    return [(rounds[key], list(group)) for key, group in groupby(rows, key=lambda row: row.round_id)]


def largest_information(session: Session, round_id: int) -> float:
    """The most that one of the round's recommendations is expected to teach, squared target units; 0 for none."""
    return repository.largest_information(session, round_id)


def get_recommendation(session: Session, recommendation_id: int) -> Recommendation:
    """The recommendation with sample, source and history.

    Raises:
        NotFoundError: if there is none with this id.
    """
    row = repository.get_recommendation(session, recommendation_id)
    if row is None:
        raise NotFoundError(f"There is no recommendation {recommendation_id}.")
    return row


def awaiting_result(session: Session, sample_id: int) -> Recommendation | None:
    """The recommendation that a result of this sample belongs to: the pending one, else the newest late one."""
    late = [status for status in RecommendationStatus if status.accepts_late_result]
    found = repository.of_sample(session, sample_id, [*PENDING, *late])
    return next((row for row in found if row.status.is_pending), found[0] if found else None)


def change(
    session: Session, recommendation_id: int, wanted: RecommendationStatus, *, actor: str, reason: str = ""
) -> Recommendation:
    """Move a recommendation to another status, with a row of history.

    Raises:
        NotFoundError: if there is none with this id.
        TransitionError: if its status does not allow it, naming what it allows.
        ConflictError: if an approval would spend more than is left, or comes from who asked for the round where
            the campaign demands four eyes; if an order exceeds the capacity; if either would pay for a label that
            is there already.
    """
    row = repository.lock_recommendation(session, recommendation_id)
    if row is None:
        raise NotFoundError(f"There is no recommendation {recommendation_id}.")
    if wanted not in row.status.allowed:
        raise _illegal(row, wanted)
    if wanted in {RecommendationStatus.APPROVED, RecommendationStatus.ORDERED}:
        _require_candidate(row)
    if wanted is RecommendationStatus.APPROVED:
        _require_second_person(session, row, actor)
        _require_money(session, row)
    if wanted is RecommendationStatus.ORDERED:
        _require_capacity(session, row)
    _apply(session, row, wanted, actor=actor, reason=reason)
    return row


def _illegal(row: Recommendation, wanted: RecommendationStatus) -> TransitionError:
    allowed = ", ".join(sorted(row.status.allowed)) or "nothing: it has ended"
    message = f"Recommendation {row.id} is {row.status} and cannot become {wanted}."
    return TransitionError(message, hint=f"Allowed now: {allowed}.")


def _require_candidate(row: Recommendation) -> None:
    """A late result of an earlier recommendation may have labelled (or abandoned) the design meanwhile."""
    if row.sample.status is not SampleStatus.CANDIDATE:
        message = f"Sample {row.sample_id} is {row.sample.status} already: its result would teach nothing."
        raise ConflictError(message, hint="Reject the recommendation, or abandon it when it was approved.")


def _require_second_person(session: Session, row: Recommendation, actor: str) -> None:
    if not campaigns.get(session, row.campaign_id).four_eyes:
        return
    if get_round(session, row.round_id).requested_by == actor:
        message = f"{actor} asked for this round, and the campaign demands four eyes."
        raise ConflictError(message, hint="Let somebody else approve it.")


def _require_money(session: Session, row: Recommendation) -> None:
    campaigns_repository.lock(session, row.campaign_id)
    campaign = campaigns.get(session, row.campaign_id)
    remaining = campaigns.remaining_budget(session, campaign)
    if remaining is not None and row.acquisition_cost > remaining:
        message = (
            f"It costs {row.acquisition_cost:,} {row.currency}, and {remaining:,} are left of the budget."
        )
        raise ConflictError(message, hint="Reject it, or abandon another approved one first.")


def _require_capacity(session: Session, row: Recommendation) -> None:
    source = row.sample.source
    if source.capacity is None:
        return
    campaigns_repository.lock(session, row.campaign_id)
    if repository.under_way(session, row.campaign_id, source.id) >= source.capacity:
        message = f"Source '{source.name}' runs {source.capacity} orders at once, and all are under way."
        raise ConflictError(message, hint="Wait for a result, or report the one that has ended.")


def _apply(
    session: Session, row: Recommendation, wanted: RecommendationStatus, *, actor: str, reason: str
) -> None:
    change_row = RecommendationChange(
        recommendation_id=row.id, from_status=row.status, to_status=wanted, actor=actor, reason=reason
    )
    audit.record(
        session,
        actor,
        wanted.value,
        "recommendation",
        row.id,
        campaign_id=row.campaign_id,
        before={"status": row.status},
        after={"status": wanted, "reason": reason},
    )
    row.is_late = row.is_late or (wanted is RecommendationStatus.COMPLETED and row.status.accepts_late_result)
    row.status, row.changed_at = wanted, datetime.now(UTC)
    repository.add_change(session, change_row)
    if wanted.is_terminal:
        _stop_simulation(session, row, actor=actor)


def _stop_simulation(session: Session, row: Recommendation, *, actor: str) -> None:
    """Nobody waits any more for what a worker may have in hand."""
    run = repository.open_simulation(session, row.id)
    if run is not None:
        runs.cancel(session, run, actor=actor)
