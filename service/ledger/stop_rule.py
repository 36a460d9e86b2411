"""When a campaign should stop: the error is small enough, the money is used up, or nothing is worth its price.

The expected gain in money of a pick is (sd before - sd after on the target domain) * value per unit, of the newest
round; when not even the largest of them reaches the price of the cheapest candidate, no acquisition pays for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from service.campaigns import service as campaigns
from service.campaigns.schemas import StopRule
from service.database.models import Campaign, Surrogate
from service.ledger import repository
from service.ledger.benefit import benefit_of
from service.ledger.schemas import StopCheck, StopRead, StopState
from service.valuations import promotions

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def stop_reason(session: Session, campaign: Campaign, *, target_error: float | None = None) -> str | None:
    """Why to stop acquiring; None to go on. For schedules and rounds that run by themselves.

    `target_error`, target units, stands in for that of the campaign's rule.
    """
    found = evaluate(session, campaign, target_error=target_error)
    return found.reason if found.state is StopState.STOP else None


def evaluate(session: Session, campaign: Campaign, *, target_error: float | None = None) -> StopRead:
    """Every check with its sentence; one that is reached is enough to stop."""
    rule = StopRule.model_validate(campaign.stop_rule or {})
    if target_error is not None:
        rule = rule.model_copy(update={"target_error": target_error})
    surrogate = promotions.serving_surrogate(session, campaign)
    cheapest = repository.cheapest_candidate(session, campaign.id)
    checks = [
        _target_error(rule, surrogate, campaign),
        _budget(campaign, campaigns.remaining_budget(session, campaign), cheapest),
        _candidates(cheapest, repository.open_recommendations(session, campaign.id)),
        _expected_gain(rule, _largest_gain(session, campaign), cheapest, campaign),
    ]
    reached = [check.sentence for check in checks if check.reached]
    return StopRead(
        state=StopState.STOP if reached else StopState.GO_ON,
        reason=" ".join(reached) or _not_yet(checks),
        rule=rule,
        checks=checks,
        benefit=benefit_of(surrogate),
    )


def _not_yet(checks: Sequence[StopCheck]) -> str:
    judged = [check.sentence for check in checks if check.reached is False]
    return " ".join(judged) or "Nothing can be judged yet."


def _target_error(rule: StopRule, surrogate: Surrogate | None, campaign: Campaign) -> StopCheck:
    if rule.target_error is None:
        return StopCheck(name="target_error", reached=None, sentence="No target error is set.")
    rmse = surrogate.metrics.get("rmse") if surrogate else None
    if surrogate is None or rmse is None:
        return StopCheck(name="target_error", reached=None, sentence="No surrogate has been measured yet.")
    unit, reached = campaign.target["unit"], rmse <= rule.target_error
    sentence = (
        f"The RMSE is {rmse:.3g} {unit} on {_words(surrogate.metrics.get('measured_on'))}, "
        f"{'within' if reached else 'above'} the target of {rule.target_error:.3g} {unit}."
    )
    return StopCheck(name="target_error", reached=reached, sentence=sentence)


def _money(amount: Decimal, campaign: Campaign) -> str:
    """1,250,000 USD, as the pages write it."""
    return f"{amount:,.0f} {campaign.currency}".replace("-", "−", 1)


def _words(measured_on: object) -> str:
    return str(measured_on or "unknown samples").replace("_", " ")


def _budget(campaign: Campaign, remaining: Decimal | None, cheapest: Decimal | None) -> StopCheck:
    if remaining is None:
        return StopCheck(name="budget", reached=None, sentence="The campaign has no budget.")
    reached = remaining <= 0 or (cheapest is not None and remaining < cheapest)
    left = f"{_money(remaining, campaign)} of the budget are left"
    if cheapest is None:
        return StopCheck(name="budget", reached=reached, sentence=f"{left}.")
    word = "less than" if reached else "enough for"
    sentence = f"{left}, {word} the cheapest candidate at {_money(cheapest, campaign)}."
    return StopCheck(name="budget", reached=reached, sentence=sentence)


def _candidates(cheapest: Decimal | None, open_: int) -> StopCheck:
    if cheapest is not None:
        return StopCheck(name="candidates", reached=False, sentence="There are candidates to choose from.")
    if open_:
        sentence = f"No candidate is free, and {open_} recommendations are proposed or under way."
        return StopCheck(name="candidates", reached=False, sentence=sentence)
    return StopCheck(name="candidates", reached=True, sentence="There is no candidate left.")


def _largest_gain(session: Session, campaign: Campaign) -> float | None:
    """Largest expected fall of the predictive sd, target units, that one pick of the newest round brings."""
    round_ = repository.newest_round(session, campaign.id)
    found = repository.components_of_round(session, round_.id) if round_ else []
    gains = [
        float(item["target_sd_before"]) - float(item["target_sd_after"])
        for item in found
        if "target_sd_before" in item and "target_sd_after" in item
    ]
    return max(gains, default=None)


def _expected_gain(
    rule: StopRule, gain: float | None, cheapest: Decimal | None, campaign: Campaign
) -> StopCheck:
    if rule.value_per_unit is None:
        return StopCheck(name="expected_gain", reached=None, sentence="No value of a smaller error is set.")
    if gain is None or cheapest is None:
        return StopCheck(
            name="expected_gain", reached=None, sentence="No round tells yet what a candidate may gain."
        )
    unit = campaign.target["unit"]
    worth = Decimal(repr(gain)) * rule.value_per_unit
    reached = worth < cheapest
    sentence = (
        f"The best pick of the newest round lowers the predictive sd by {gain:.2g} {unit}, worth "
        f"{_money(worth, campaign)}: "
        f"{'less' if reached else 'not less'} than the cheapest candidate at {_money(cheapest, campaign)}."
    )
    return StopCheck(name="expected_gain", reached=reached, sentence=sentence)
