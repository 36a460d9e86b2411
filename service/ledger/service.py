"""The regret ledger: what rounds promised, what they gave, what they cost. All of it is computed from rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from service.acquisitions.service import strategy_of
from service.database.models import AcquisitionRound, Campaign, Surrogate
from service.ledger import repository
from service.ledger.arms import compare_arms
from service.ledger.curve import error_points
from service.ledger.gains import learned_by, measured_alike, predicted_gain, realised_gain
from service.ledger.repository import PickRow
from service.ledger.schemas import ArmComparison, Balance, ErrorPoint, RegretLedger, RoundFigures, RoundLedger
from service.lifecycles import PENDING, SPENT, RecommendationStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class LedgerFigures:
    """The ledger without the comparison of arms that each round would need anew: for a page."""

    rounds: list[RoundFigures]
    total: Balance
    total_arms: ArmComparison
    realised_gain: float | None


def regret_ledger(session: Session, campaign: Campaign) -> RegretLedger:
    """Every succeeded round of a campaign, oldest first. O(rounds * recommendations)."""
    picks = repository.picks(session, campaign.id)
    surrogates = repository.surrogates(session, campaign.id)
    found = _figures(session, campaign, picks, surrogates)
    return RegretLedger(
        campaign_id=campaign.id,
        currency=campaign.currency,
        target_unit=campaign.target["unit"],
        rounds=[_with_arms_so_far(entry, picks) for entry in found.rounds],
        total=found.total,
        total_arms=found.total_arms,
        error_curve=_error_curve(session, campaign, surrogates, {pick.status for pick in picks}),
        realised_gain=found.realised_gain,
    )


def _with_arms_so_far(entry: RoundFigures, picks: Sequence[PickRow]) -> RoundLedger:
    so_far = [pick for pick in picks if pick.round_id <= entry.round_id]
    return RoundLedger(**dict(entry), cumulative_arms=compare_arms(so_far))


def figures(session: Session, campaign: Campaign) -> LedgerFigures:
    """What each round promised, gave and cost. O(recommendations + data values of the results)."""
    surrogates = repository.surrogates(session, campaign.id)
    return _figures(session, campaign, repository.picks(session, campaign.id), surrogates)


def _figures(
    session: Session, campaign: Campaign, picks: Sequence[PickRow], surrogates: Sequence[Surrogate]
) -> LedgerFigures:
    found = repository.rounds(session, campaign.id)
    has_results = any(pick.status is RecommendationStatus.COMPLETED for pick in picks)
    learned = repository.results_learned(session, campaign.id) if has_results else {}
    entries = []
    for round_ in found:
        own = [pick for pick in picks if pick.round_id == round_.id]
        so_far = [pick for pick in picks if pick.round_id <= round_.id]
        after = learned_by(round_, surrogates, learned)
        entries.append(_entry(round_, own, so_far, surrogates, after))
    return LedgerFigures(entries, _balance(picks), compare_arms(picks), _gain_so_far(found, surrogates))


def error_curve(session: Session, campaign: Campaign) -> list[ErrorPoint]:
    """Every measured surrogate, oldest first."""
    surrogates = repository.surrogates(session, campaign.id)
    return _error_curve(session, campaign, surrogates, set(RecommendationStatus))


def _error_curve(
    session: Session,
    campaign: Campaign,
    surrogates: Sequence[Surrogate],
    statuses: Collection[RecommendationStatus],
) -> list[ErrorPoint]:
    """`statuses` are those that a recommendation may have: what none has led to is not asked for."""
    has_results, has_failed = (
        RecommendationStatus.COMPLETED in statuses,
        RecommendationStatus.FAILED in statuses,
    )
    learned = repository.learned_by_surrogate(session, campaign.id) if has_results else {}
    failed = repository.failed_before(session, campaign.id) if has_failed else {}
    return error_points(surrogates, learned, failed)


def total_arms(session: Session, campaign: Campaign) -> ArmComparison:
    """Chosen against random picks over all rounds. O(recommendations)."""
    return compare_arms(repository.picks(session, campaign.id))


def _entry(
    round_: AcquisitionRound,
    own: Sequence[PickRow],
    so_far: Sequence[PickRow],
    surrogates: Sequence[Surrogate],
    after: tuple[Surrogate | None, int],
) -> RoundFigures:
    before = next((surrogate for surrogate in surrogates if surrogate.id == round_.surrogate_id), None)
    realised = realised_gain(own, before, *after)
    predicted = predicted_gain(round_, own, realised.rmse_before)
    return RoundFigures(
        round_id=round_.id,
        created_at=round_.created_at,
        strategy=strategy_of(round_),
        surrogate_id=round_.surrogate_id,
        balance=_balance(own),
        predicted=predicted,
        realised=realised,
        regret=_difference(predicted.gain, realised.gain),
        calibration=_quotient(realised.error_at_results, predicted.error_at_results),
        arms=compare_arms(own),
        cumulative=_balance(so_far),
    )


def _balance(picks: Sequence[PickRow]) -> Balance:
    def money(statuses: frozenset[object]) -> Decimal:
        return sum((pick.acquisition_cost for pick in picks if pick.status in statuses), Decimal(0))

    return Balance(
        proposed=len(picks),
        results=sum(pick.target is not None for pick in picks),
        spent=money(frozenset(SPENT)),
        committed=money(frozenset(PENDING)),
    )


def _gain_so_far(rounds: Sequence[AcquisitionRound], surrogates: Sequence[Surrogate]) -> float | None:
    by_id = {surrogate.id: surrogate for surrogate in surrogates}
    if not rounds or rounds[0].surrogate_id not in by_id:
        return None
    first, newest = by_id[rounds[0].surrogate_id].metrics, surrogates[-1].metrics
    if not measured_alike(first, newest):
        return None
    return _difference(first.get("rmse"), newest.get("rmse"))


def _difference(minuend: float | None, subtrahend: float | None) -> float | None:
    return None if minuend is None or subtrahend is None else minuend - subtrahend


def _quotient(dividend: float | None, divisor: float | None) -> float | None:
    return None if dividend is None or not divisor else dividend / divisor
