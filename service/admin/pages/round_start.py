"""What a round that is started from the overview would do: told, and open to change, before it is started."""

from __future__ import annotations

from collections.abc import Mapping

from service.acquisitions.schemas import AcquisitionConfiguration
from service.admin.contexts.advice import RoundStart
from service.admin.formats import money, number
from service.admin.forms import Input, fields_of, parse_document
from service.campaigns.schemas import CampaignSummary
from service.campaigns.service import CampaignCounts
from service.database.models import Campaign
from service.rounds.schemas import RoundConfiguration

HOURS_PER_DAY = 24


def round_start(campaign: Campaign, summary: CampaignSummary, counts: CampaignCounts) -> RoundStart:
    """The settings of a new round with what they mean for this campaign now."""
    days = number(RoundConfiguration().decide_within_hours / HOURS_PER_DAY, 0)
    text = (
        f"It values {number(counts.labelled, 0)} labelled samples, trains a surrogate, ranks "
        f"{number(counts.candidates, 0)} candidates and proposes a batch. Nothing is ordered before you approve it; "
        f"what is not decided in {days} days expires."
    )
    return RoundStart(text, fields_of(AcquisitionConfiguration, _inputs(campaign, summary)))


def _inputs(campaign: Campaign, summary: CampaignSummary) -> list[Input]:
    left = summary.remaining
    budget = (
        "empty: no limit" if left is None else f"empty: all that is left, {money(left, campaign.currency)}"
    )
    return [
        Input("strategy", "Strategy", "auto: what the newest backtest supports"),
        Input("batch_size", "Batch size", "most recommendations"),
        Input("budget", f"Budget ({campaign.currency})", budget),
        Input("cost_exponent", "Weight of cost", "0: gain only, 1: gain per money"),
        Input("control_fraction", "Control share", "drawn at random, to compare with"),
    ]


def configuration_of(form: Mapping[str, str]) -> RoundConfiguration:
    """What was asked for; the rest as by default.

    Raises:
        InputError: naming the fields that do not fit.
    """
    return parse_document(RoundConfiguration, {"acquisition": dict(form)})
