"""Rules of campaigns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from service.audit import repository as audit
from service.campaigns import repository
from service.campaigns.oracles import check_oracles
from service.campaigns.schemas import CampaignCreate, CampaignSummary, StopRule
from service.database.models import Campaign, Source
from service.errors import NotFoundError
from service.lifecycles import RecommendationStatus
from service.pagination import PageRequest, Row, cut_page
from service.vocabulary import SampleStatus, Split

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def create(
    session: Session, request: CampaignCreate, *, actor: str, oracle_commands: Sequence[Path] = ()
) -> Campaign:
    """A campaign with its sources; `oracle_commands` are the executables that an operator lets workers run.

    Raises:
        InputError: if a source's oracle runs another command, or its templates name no feature.
    """
    check_oracles(request.sources, request.feature_schema, oracle_commands)
    document = request.model_dump(mode="json")
    campaign = Campaign(
        name=request.name,
        description=request.description,
        feature_schema=document["feature_schema"],
        target=document["target"],
        target_domain=document["target_domain"],
        currency=request.currency,
        budget=request.budget,
        stop_rule=document["stop_rule"],
        four_eyes=request.four_eyes,
        sources=[Source(**source.model_dump()) for source in request.sources],
    )
    repository.add(session, campaign)
    audit.record(session, actor, "create", "campaign", campaign.id, after=document, campaign_id=campaign.id)
    return campaign


def set_stop_rule(session: Session, campaign: Campaign, rule: StopRule, *, actor: str) -> None:
    """Replace the campaign's stop rule."""
    before, after = campaign.stop_rule, rule.model_dump(mode="json")
    campaign.stop_rule = after
    audit.record(
        session,
        actor,
        "set_stop_rule",
        "campaign",
        campaign.id,
        before=before,
        after=after,
        campaign_id=campaign.id,
    )


def get(session: Session, campaign_id: int) -> Campaign:
    """The campaign.

    Raises:
        NotFoundError: if there is none with this id.
    """
    campaign = repository.get(session, campaign_id)
    if campaign is None:
        raise _no_campaign(campaign_id)
    return campaign


def listed(session: Session, campaign_id: int, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of a campaign as they are; only one without any is looked for, as it may be none at all.

    Raises:
        NotFoundError: if there are no rows, and no campaign with this id.
    """
    if not rows and not repository.exists(session, campaign_id):
        raise _no_campaign(campaign_id)
    return rows


def _no_campaign(campaign_id: int) -> NotFoundError:
    return NotFoundError(f"There is no campaign {campaign_id}.", hint="GET /api/v1/campaigns lists them.")


def page(session: Session, request: PageRequest) -> tuple[Sequence[Campaign], bool]:
    return cut_page(repository.page(session, request), request.limit)


@dataclass(frozen=True)
class Balance:
    """Recommendations by status, and the money."""

    recommendations: dict[str, int]
    spent: Decimal
    committed: Decimal
    remaining: Decimal | None  # may still be promised; None without a budget


@dataclass(frozen=True)
class CampaignCounts:
    """One line of the list of campaigns."""

    campaign: Campaign
    labelled: int
    candidates: int
    proposed: int


def newest_with_counts(
    session: Session, *, limit: int, before: int | None = None
) -> tuple[list[CampaignCounts], bool]:
    """Campaigns with their counts, newest first, and whether there are older ones."""
    found, more = cut_page(repository.newest(session, limit + 1, before=before), limit)
    return counts(session, found), more


def counts(session: Session, found: Sequence[Campaign]) -> list[CampaignCounts]:
    """Counts of several campaigns in two statements; `candidates` are those that can be acquired."""
    ids = [campaign.id for campaign in found]
    samples = repository.status_counts(session, ids)
    proposed = repository.proposed_counts(session, ids)
    return [
        CampaignCounts(
            campaign=campaign,
            labelled=samples[campaign.id].get(SampleStatus.LABELLED, 0),
            candidates=samples[campaign.id].get(SampleStatus.CANDIDATE, 0),
            proposed=proposed.get(campaign.id, 0),
        )
        for campaign in found
    ]


def remaining_budget(session: Session, campaign: Campaign) -> Decimal | None:
    """What may still be promised; None when the campaign has no budget."""
    return None if campaign.budget is None else balance(session, campaign).remaining


def balance(session: Session, campaign: Campaign) -> Balance:
    """What was proposed and decided, and what is left of the money."""
    totals = repository.recommendation_totals(session, campaign.id)
    spent, committed = repository.spent_and_committed(totals)
    return Balance(
        recommendations={status.value: count for status, (count, _) in totals.items()},
        spent=spent,
        committed=committed,
        remaining=None if campaign.budget is None else campaign.budget - spent - committed,
    )


def summary(session: Session, campaign: Campaign) -> CampaignSummary:
    """Counts of samples and recommendations, and the money."""
    return summary_with_counts(session, campaign)[0]


def summary_with_counts(session: Session, campaign: Campaign) -> tuple[CampaignSummary, CampaignCounts]:
    """The summary, and what `counts` says, out of one count of the samples."""
    found = repository.sample_counts(session, campaign.id)
    money = balance(session, campaign)
    summary_ = CampaignSummary.model_validate(
        {
            "samples": _totals((status, count) for status, _, count in found),
            "splits": _totals((split, count) for _, split, count in found),
            **asdict(money),
            "budget": campaign.budget,
            "currency": campaign.currency,
        }
    )
    acquirable = _totals((status, count) for status, split, count in found if split == Split.TRAIN)
    return summary_, CampaignCounts(
        campaign=campaign,
        labelled=summary_.samples.get("labelled", 0),
        candidates=acquirable[SampleStatus.CANDIDATE],
        proposed=money.recommendations.get(RecommendationStatus.PROPOSED, 0),
    )


def _totals(counts: Iterable[tuple[str, int]]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for name, count in counts:
        totals[name] += count
    return totals
