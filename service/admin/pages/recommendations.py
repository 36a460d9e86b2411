"""`/campaigns/{id}/recommendations`: what to acquire next, and the decision about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.acquisitions import service as acquisitions
from service.admin.contexts.base import Filter
from service.admin.contexts.recommendations import RecommendationLine, RecommendationsContext, RoundGroup
from service.admin.formats import words
from service.admin.pages.recommendation_lines import lines
from service.admin.pages.run_lines import round_result
from service.admin.pages.wording import evidence_view, target_name
from service.admin.paging import last_page, pager
from service.admin.rendering import frame, page
from service.backtests import service as backtests
from service.backtests.schemas import EvidenceRead
from service.campaigns import service as campaigns
from service.database.models import AcquisitionRound, Campaign
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.lifecycles import RecommendationStatus
from service.maps import service as maps

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 50


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
    return page(request, table(request, session, campaign, View(status, page_number)))


@dataclass(frozen=True)
class View:
    """Which part of the table is shown, and what a refused decision had selected and said."""

    status: RecommendationStatus | None = None
    page_number: int = 1
    selected: Collection[int] = ()
    reason: str = ""


def table(request: Request, session: SessionDep, campaign: Campaign, view: View) -> RecommendationsContext:
    """The page's context."""
    balance, status = campaigns.balance(session, campaign), view.status
    counts = balance.recommendations
    total = counts.get(status.value, 0) if status else sum(counts.values())
    # The last row of a page may just have been decided.
    page_number = min(view.page_number, last_page(total, PAGE_SIZE))
    path, query = recommendations_url(campaign.id), {"status": status.value} if status else {}
    return RecommendationsContext(
        frame=frame(request, "Recommendations", section="recommendations", campaign=campaign),
        groups=_groups(session, campaign, status, page_number),
        filters=_filters(campaign.id, counts, status),
        status=status.value if status else "",
        page=page_number,
        pager=pager(path, page=page_number, size=PAGE_SIZE, total=total, query=query),
        target=target_name(campaign),
        target_unit=campaign.target["unit"],
        remaining=balance.remaining,
        currency=campaign.currency,
        selected=view.selected,
        reason=view.reason,
    )


def _groups(
    session: SessionDep, campaign: Campaign, status: RecommendationStatus | None, page_number: int
) -> list[RoundGroup]:
    found = acquisitions.by_round(
        session, campaign, status=status, offset=(page_number - 1) * PAGE_SIZE, limit=PAGE_SIZE
    )
    evidence = backtests.newest_evidence(session, campaign.id)
    half_widths = maps.half_widths(session, [row for _, rows in found for row in rows])
    return [_group(round_, lines(rows, campaign, half_widths), campaign, evidence) for round_, rows in found]


def _filters(
    campaign_id: int, counts: Mapping[str, int], current: RecommendationStatus | None
) -> list[Filter]:
    """All, and each status that occurs, in the order of its life."""
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
    rows: Sequence[RecommendationLine],
    campaign: Campaign,
    evidence: Callable[[str], EvidenceRead],
) -> RoundGroup:
    return RoundGroup(
        id=round_.id,
        created_at=round_.created_at,
        requested_by=round_.requested_by,
        strategy=words(acquisitions.strategy_of(round_)),
        result=round_result(round_.metrics or {}, campaign.target["unit"], campaign.currency),
        evidence=evidence_view(evidence(acquisitions.strategy_of(round_))),
        rows=rows,
    )
