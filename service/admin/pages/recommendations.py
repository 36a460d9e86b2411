"""`/campaigns/{id}/recommendations`: what to acquire next, and the decision about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.admin.contexts.base import Filter
from service.admin.contexts.recommendations import RecommendationLine, RecommendationsContext, RoundGroup
from service.admin.formats import digits_for, feature_value, number, quantity, words
from service.admin.pages.run_lines import round_result
from service.admin.pages.value_lines import sample_name
from service.admin.pages.wording import evidence_view, target_name
from service.admin.paging import last_page, pager
from service.admin.rendering import frame, page
from service.backtests import service as backtests
from service.backtests.schemas import EvidenceRead
from service.campaigns import service as campaigns
from service.campaigns.schemas import CampaignSummary
from service.database.models import AcquisitionRound, Campaign, Recommendation
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.lifecycles import RecommendationStatus

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 50
FEATURES_SHOWN = 4


def recommendations_url(campaign_id: int, status: str = "", page_number: int = 1) -> str:
    """The address of a page of the table, without what is the default."""
    query = {
        name: value for name, value in (("status", status), ("page", page_number)) if value not in ("", 1)
    }
    path = f"/campaigns/{campaign_id}/recommendations"
    return f"{path}?{urlencode(query)}" if query else path


@router.get("/campaigns/{campaign_id:int}/recommendations")
def show_recommendations(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    status: RecommendationStatus | None = None,
    page_number: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> HTMLResponse:
    summary = campaigns.summary(session, campaign)
    counts = summary.recommendations
    total = counts.get(status.value, 0) if status else sum(counts.values())
    page_number = min(
        page_number, last_page(total, PAGE_SIZE)
    )  # the last row of a page may just have been decided
    found = acquisitions.by_round(
        session, campaign, status=status, offset=(page_number - 1) * PAGE_SIZE, limit=PAGE_SIZE
    )
    evidence = backtests.newest_evidence(session, campaign.id)
    path, query = recommendations_url(campaign.id), {"status": status.value} if status else {}
    context = RecommendationsContext(
        frame=frame(request, "Recommendations", section="recommendations", campaign=campaign),
        groups=[_group(round_, rows, campaign, evidence) for round_, rows in found],
        filters=_filters(campaign.id, summary, status),
        status=status.value if status else "",
        page=page_number,
        pager=pager(path, page=page_number, size=PAGE_SIZE, total=total, query=query),
        target=target_name(campaign),
        target_unit=campaign.target["unit"],
        remaining=summary.remaining,
        currency=campaign.currency,
    )
    return page(request, context)


def _filters(
    campaign_id: int, summary: CampaignSummary, current: RecommendationStatus | None
) -> list[Filter]:
    """All, and each status that occurs, in the order of its life."""
    counts = summary.recommendations
    everything = Filter("all", sum(counts.values()), recommendations_url(campaign_id), current is None)
    return [everything] + [
        Filter(
            status.value,
            counts.get(status.value, 0),
            recommendations_url(campaign_id, status.value),
            status is current,
        )
        for status in RecommendationStatus
        if counts.get(status.value) or status is current
    ]


def _group(
    round_: AcquisitionRound,
    rows: Sequence[Recommendation],
    campaign: Campaign,
    evidence: Callable[[str], EvidenceRead],
) -> RoundGroup:
    digits = digits_for([row.components.get("information") or 0.0 for row in rows])
    return RoundGroup(
        id=round_.id,
        created_at=round_.created_at,
        requested_by=round_.requested_by,
        strategy=words(acquisitions.strategy_of(round_)),
        result=round_result(round_.metrics or {}, campaign.target["unit"], campaign.currency),
        evidence=evidence_view(evidence(acquisitions.strategy_of(round_))),
        rows=[_line(row, campaign, digits) for row in rows],
    )


def _line(row: Recommendation, campaign: Campaign, digits: int) -> RecommendationLine:
    components = row.components
    last_change = row.history[-1] if row.history else None
    return RecommendationLine(
        id=row.id,
        rank=row.rank,
        name=sample_name(row.sample),
        source=row.sample.source.name,
        arm=row.arm,
        features=_key_features(row, campaign),
        predicted=components.get("predicted"),
        predicted_std=components.get("predicted_std"),
        information=number(components.get("information"), digits),
        cost=row.acquisition_cost,
        lead_time_hours=row.sample.source.lead_time_hours,
        reason=row.reason,
        status=row.status,
        is_late=row.is_late,
        note=f"{last_change.actor}: {last_change.reason}" if last_change and last_change.reason else "",
        changed_at=row.changed_at,
    )


def _key_features(row: Recommendation, campaign: Campaign) -> list[tuple[str, str]]:
    """Those that define the target domain, then the first ones of the schema; name and value with unit."""
    units = {feature["name"]: feature.get("unit", "1") for feature in campaign.feature_schema}
    wanted = [condition["feature"] for condition in campaign.target_domain.get("conditions", [])]
    names = list(dict.fromkeys([*wanted, *units]))[:FEATURES_SHOWN]
    values = row.sample.planned_features
    return [(quantity(name, units[name]), feature_value(values.get(name), units[name])) for name in names]
