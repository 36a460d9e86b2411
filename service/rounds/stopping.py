"""The stop rule: when acquiring more is no longer worth it, or no longer possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.campaigns import service as campaigns
from service.database.models import Campaign
from service.rounds import repository
from service.valuations import service as valuations

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def stop_reason(session: Session, campaign: Campaign, *, stop_at_rmse: float | None = None) -> str | None:
    """A sentence why no further round shall follow, None to go on: target error, budget, nothing affordable."""
    return (
        _good_enough(session, campaign, stop_at_rmse)
        or _no_money(session, campaign)
        or _nothing_to_buy(session, campaign)
    )


def _good_enough(session: Session, campaign: Campaign, stop_at_rmse: float | None) -> str | None:
    surrogate = valuations.newest_surrogate(session, campaign)
    rmse = None if surrogate is None else surrogate.metrics.get("rmse")
    if stop_at_rmse is None or rmse is None or rmse > stop_at_rmse:
        return None
    unit = campaign.target["unit"]
    return f"The surrogate's error of {rmse:.3g} {unit} has reached the wanted {stop_at_rmse:.3g} {unit}."


def _no_money(session: Session, campaign: Campaign) -> str | None:
    remaining = campaigns.remaining_budget(session, campaign)
    if remaining is None or remaining > 0:
        return None
    return f"The budget of {campaign.budget:,} {campaign.currency} is used up."


def _nothing_to_buy(session: Session, campaign: Campaign) -> str | None:
    cheapest = repository.cheapest_candidate(session, campaign.id)
    if cheapest is None:
        return "The pool has no candidate left."
    remaining = campaigns.remaining_budget(session, campaign)
    if remaining is None or cheapest <= remaining:
        return None
    return (
        f"{remaining:,} {campaign.currency} are left, and the cheapest candidate costs {cheapest:,} "
        f"{campaign.currency}."
    )
