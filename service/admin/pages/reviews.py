"""`/campaigns/{id}/reviews`: suspicious tests that wait for a decision, with their curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.samples import Fact, ReviewsContext, SuspectCard
from service.admin.formats import number, words
from service.admin.pages.review_decisions import QUEUE, decision_line, forms_of
from service.admin.pages.value_lines import sample_name
from service.admin.paging import last_page, pager
from service.admin.rendering import frame, page
from service.database.models import Campaign, Sample
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.reviews import service as reviews
from service.reviews.suspects import Suspect, waiting
from service.samples import service as samples
from service.valuations import service as valuations

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 10
DECISIONS_SHOWN = 10


@router.get("/campaigns/{campaign_id:int}/reviews")
def show_reviews(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    number_: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> HTMLResponse:
    run = valuations.newest_succeeded(session, campaign)
    suspects = waiting(session, campaign)
    number_ = min(number_, last_page(len(suspects), PAGE_SIZE))
    shown = suspects[(number_ - 1) * PAGE_SIZE : number_ * PAGE_SIZE]
    unit, base = campaign.target["unit"], f"/campaigns/{campaign.id}"
    context = ReviewsContext(
        frame=frame(request, "Review", section="reviews", campaign=campaign),
        has_run=run is not None,
        run_name=f"Valuation {run.id}" if run else "",
        cards=_cards(session, campaign, shown),
        pager=pager(request.url.path, page=number_, size=PAGE_SIZE, total=len(suspects)),
        decided=[
            decision_line(review, sample, unit)
            for review, sample in reviews.newest(session, campaign, limit=DECISIONS_SHOWN)
        ],
        values_url=f"{base}/data-values",
        runs_url=f"{base}/runs",
    )
    return page(request, context)


def _cards(session: SessionDep, campaign: Campaign, shown: Sequence[Suspect]) -> list[SuspectCard]:
    found = samples.with_ids(session, [suspect.row.sample_id for suspect in shown])
    by_id = {sample.id: sample for sample in found}
    return [_card(campaign, suspect, by_id[suspect.row.sample_id]) for suspect in shown]


def _card(campaign: Campaign, suspect: Suspect, sample: Sample) -> SuspectCard:
    row, last, unit = suspect.row, suspect.last_decision, campaign.target["unit"]
    forms = forms_of(campaign, sample, waits=True, back=QUEUE)
    assert forms is not None
    url = f"/campaigns/{campaign.id}/samples/{sample.id}"
    return SuspectCard(
        key=forms.key,
        name=sample_name(sample),
        url=url,
        source=row.source,
        group=row.group or "",
        target=f"{number(row.target)} {unit}",
        rank=row.rank,
        value=number(row.value),
        spread=number(row.spread),
        label_percent=100 * max(0.0, min(1.0, row.value_target_loss)),
        features_percent=100 * max(0.0, min(1.0, row.value_transport)),
        findings=[Fact(words(found.finding), found.sentence) for found in suspect.findings],
        last_decision=decision_line(last, sample, unit) if last else None,
        curves_url=f"{url}/curves" if sample.upload_id is not None else None,
        forms=forms,
    )
