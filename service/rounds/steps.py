"""What each step of a round does; every function runs in one transaction and leaves rows for the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from service.acquisitions import service as acquisitions
from service.acquisitions import simulations
from service.acquisitions.schemas import AcquisitionRequest
from service.campaigns import service as campaigns
from service.database.models import AcquisitionRound, Campaign, CampaignRound, Recommendation, ValuationRun
from service.errors import ConflictError, CrashscoutError
from service.ledger.stop_rule import stop_reason
from service.lifecycles import PENDING, SPENT, RecommendationStatus, RoundEnd, RoundStep, RunStatus
from service.logs import logged_as
from service.rounds import repository, service
from service.rounds.schemas import AutoApprove, RoundConfiguration
from service.valuations import promotions
from service.valuations import service as valuations
from service.valuations.schemas import ValuationRequest
from service.vocabulary import Arm

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

logger = logging.getLogger(__name__)
APPROVER = "auto-approve"
CLOCK = "round"
# A simulation that shows no change for so long may have lost its message: it is sent again. Doubles are harmless.
NUDGE_AFTER = timedelta(seconds=300)
_S = RecommendationStatus


@dataclass(frozen=True)
class Ending:
    """The way out of a round."""

    reason: RoundEnd
    detail: str


Outcome = RoundStep | Ending | None  # None: nothing to do yet


@dataclass(frozen=True)
class Turn:
    """One look at one locked round."""

    session: Session
    round_: CampaignRound
    campaign: Campaign
    configuration: RoundConfiguration
    now: datetime

    @property
    def seed(self) -> int:
        """Each round of a row has its own, so that it does not draw the same again."""
        return (self.configuration.seed + self.round_.number - 1) % 2**32


def take(session: Session, round_id: int, now: datetime) -> bool:
    """Go one step on, if the round is ours to move and has something to do.

    Doing it twice does nothing: the row is locked, and the step is set only if it is still the one that was
    read (compare-and-set).

    Returns:
        Whether there may be more to do at once.
    """
    round_ = repository.claim(session, round_id)
    if round_ is None:
        return False
    # Runs that the step asks for take the request of the round as theirs.
    with logged_as(round_id=round_.id, campaign_id=round_.campaign_id, request_id=round_.request_id):
        return _take(session, round_, now)


def _take(session: Session, round_: CampaignRound, now: datetime) -> bool:
    campaign = campaigns.get(session, round_.campaign_id)
    turn = Turn(session, round_, campaign, service.configuration_of(round_), now)
    step = round_.step
    logger.debug("step %s is looked at", step)
    if step is RoundStep.CLOSE:
        return _close(turn)
    try:
        outcome = STEPS[step](turn)
    except CrashscoutError as error:  # a rule says no before anything was written
        outcome = Ending(RoundEnd.FAILED, f"step {step}: {error}")
    if isinstance(outcome, Ending):
        service.end(session, round_, outcome.reason, outcome.detail)
        service.audit_end(session, round_, "end", CLOCK, step)
        return True
    return outcome is not None and repository.move(session, round_, step, outcome, now)


def _freeze(turn: Turn) -> Outcome:
    request = ValuationRequest(configuration=turn.configuration.valuation, seed=turn.seed)
    run = valuations.request_run(turn.session, turn.campaign, request, actor=turn.round_.requested_by)
    turn.round_.valuation_run_id = run.id
    return RoundStep.VALUE


def _value(turn: Turn) -> Outcome:
    run = valuations.get(turn.session, turn.round_.valuation_run_id or 0)
    if run.status is not RunStatus.SUCCEEDED:
        return _ending_of_run("valuation run", run)
    request = AcquisitionRequest(
        configuration=turn.configuration.acquisition,
        seed=turn.seed,
        surrogate_id=promotions.usable_surrogate_id(
            turn.session, turn.campaign, repository.surrogate_id_of(turn.session, run.id)
        ),
    )
    ranking = acquisitions.request_round(turn.session, turn.campaign, request, actor=turn.round_.requested_by)
    turn.round_.acquisition_round_id = ranking.id
    return RoundStep.RANK


def _rank(turn: Turn) -> Outcome:
    ranking = acquisitions.get_round(turn.session, turn.round_.acquisition_round_id or 0)
    if ranking.status is not RunStatus.SUCCEEDED:
        return _ending_of_run("acquisition round", ranking)
    return RoundStep.PROPOSE


def _ending_of_run(name: str, run: ValuationRun | AcquisitionRound) -> Ending | None:
    if run.status is RunStatus.FAILED:
        return Ending(RoundEnd.FAILED, f"{name} {run.id} failed: {run.error_message}")
    if run.status is RunStatus.CANCELLED:
        return Ending(RoundEnd.CANCELLED, f"{name} {run.id} was cancelled")
    return None


def _propose(turn: Turn) -> Outcome:
    if not _batch(turn):
        return Ending(RoundEnd.NOTHING_PROPOSED, "the ranking proposes nothing")
    turn.round_.decide_by = turn.now + timedelta(hours=turn.configuration.decide_within_hours)
    return RoundStep.DECIDE


def _decide(turn: Turn) -> Outcome:
    batch = _batch(turn)
    if turn.configuration.auto_approve is not None:
        _approve(turn, batch, turn.configuration.auto_approve)
    if turn.round_.decide_by is not None and turn.now >= turn.round_.decide_by:
        service.expire(turn.session, turn.round_, actor=CLOCK, reason="nobody decided in time")
    if any(row.status is _S.PROPOSED for row in batch):
        return None
    if all(row.status in {_S.REJECTED, _S.EXPIRED} for row in batch):
        return Ending(RoundEnd.NOTHING_APPROVED, "every proposal was rejected or has expired")
    return RoundStep.ORDER


def _approve(turn: Turn, batch: Sequence[Recommendation], rules: AutoApprove) -> None:
    spent = sum((row.acquisition_cost for row in batch if row.status in PENDING | SPENT), Decimal(0))
    for row in batch:
        if row.status is not _S.PROPOSED or not is_approved_by(rules, row, spent):
            continue
        try:
            acquisitions.change(
                turn.session, row.id, _S.APPROVED, actor=APPROVER, reason="by the round's rules"
            )
        except ConflictError:  # no money left, or labelled meanwhile: people, or the deadline, decide
            continue
        spent += row.acquisition_cost


def is_approved_by(rules: AutoApprove, row: Recommendation, spent: Decimal) -> bool:
    """Whether all rules that are given hold, when `spent` of the round's money is promised already."""
    cost = row.acquisition_cost
    return (
        (rules.sources is None or row.sample.source.name in rules.sources)
        and (rules.most_acquisition_cost is None or cost <= rules.most_acquisition_cost)
        and (rules.budget is None or spent + cost <= rules.budget)
        and (rules.least_expected_gain is None or _gains(row, rules.least_expected_gain))
    )


def _gains(row: Recommendation, least: float) -> bool:
    before, after = row.components.get("target_sd_before"), row.components.get("target_sd_after")
    if row.arm is Arm.CONTROL:
        return True
    return before is not None and after is not None and before - after >= least


def _order(turn: Turn) -> Outcome:
    _simulate(turn, _batch(turn))
    turn.round_.collect_by = turn.now + timedelta(hours=turn.configuration.collect_within_hours)
    return RoundStep.COLLECT


def _collect(turn: Turn) -> Outcome:
    batch = _batch(turn)
    _simulate(turn, batch)
    results = sum(row.status is _S.COMPLETED for row in batch)
    wanted = sum(row.status not in {_S.REJECTED, _S.EXPIRED} for row in batch)
    detail = f"{results} of {wanted} acquisitions gave a result"
    if all(row.status.is_terminal for row in batch):
        return Ending(RoundEnd.COMPLETED, detail)
    if turn.round_.collect_by is not None and turn.now >= turn.round_.collect_by:
        return Ending(RoundEnd.PARTIAL, f"{detail} before the deadline")
    return None


def _simulate(turn: Turn, batch: Sequence[Recommendation]) -> None:
    """Order what a worker can simulate itself, as far as the capacity goes, and send lost messages again."""
    nudge = turn.round_.nudged_at is None or turn.now - turn.round_.nudged_at >= NUDGE_AFTER
    for row in batch:
        if row.sample.source.oracle is None:
            continue
        quiet = row.changed_at is not None and turn.now - row.changed_at >= NUDGE_AFTER
        if row.status is _S.APPROVED or (nudge and quiet and row.status in {_S.ORDERED, _S.RUNNING}):
            try:
                simulations.simulate(turn.session, row.id, actor=turn.round_.requested_by)
            except ConflictError:  # its source is at capacity: the next look tries again
                continue
    if nudge:
        turn.round_.nudged_at = turn.now


def _close(turn: Turn) -> bool:
    """Close, and start the round that follows, in one transaction: a crash gives both or neither."""
    session, round_ = turn.session, turn.round_
    follows = turn.configuration.continue_until_stop
    reason = _reason_to_stop(turn) if follows else None
    closed = repository.move(
        session, round_, RoundStep.CLOSE, RoundStep.CLOSED, turn.now, closed_at=turn.now, stop_reason=reason
    )
    if closed and follows and reason is None:
        service.start(
            session, turn.campaign, turn.configuration, actor=round_.requested_by,
            schedule_id=round_.schedule_id, follows=round_,
        )  # fmt: skip
    return closed


def _reason_to_stop(turn: Turn) -> str | None:
    """Why no round follows; a row of rounds that bring nothing would go on for ever."""
    round_ = turn.round_
    if round_.closed_reason not in {RoundEnd.COMPLETED, RoundEnd.PARTIAL}:
        return f"The round ended as {round_.closed_reason}: {round_.detail}"[:2000]
    if not any(row.status is _S.COMPLETED for row in _batch(turn)):
        return "The round brought no result."
    if round_.number >= turn.configuration.most_rounds:
        return f"The row has its most of {turn.configuration.most_rounds} rounds."
    return stop_reason(turn.session, turn.campaign, target_error=turn.configuration.stop_at_rmse)


def _batch(turn: Turn) -> Sequence[Recommendation]:
    return repository.lock_recommendations(turn.session, turn.round_.acquisition_round_id or 0)


STEPS: dict[RoundStep, Callable[[Turn], Outcome]] = {
    RoundStep.FREEZE: _freeze,
    RoundStep.VALUE: _value,
    RoundStep.RANK: _rank,
    RoundStep.PROPOSE: _propose,
    RoundStep.DECIDE: _decide,
    RoundStep.ORDER: _order,
    RoundStep.COLLECT: _collect,
}
