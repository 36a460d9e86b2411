"""`/campaigns/{id}/data-values`: how useful each labelled sample is, and which ones look wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.base import Filter
from service.admin.contexts.data_values import Choice, DataValuesContext, ValuedLine
from service.admin.formats import number, words
from service.admin.pages.charts import short, thin
from service.admin.pages.quality import quality_of
from service.admin.pages.run_lines import run_line
from service.admin.pages.value_lines import why
from service.admin.pages.wording import target_with_unit
from service.admin.paging import last_page, pager
from service.admin.rendering import frame, page
from service.database.models import ValuationRun
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.reviews.suspects import waiting
from service.valuations import service as valuations
from service.valuations.diagnosis import READABLE_MODE, STANDS_OUT, Diagnosis, diagnose
from service.valuations.schemas import ValuedSample

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 50
# More points than these look the same and only make the page heavy.
POINTS_SHOWN = 800
# A longer list is no list to choose from.
GROUPS_SHOWN = 500
UNJUDGED = "unjudged"

Judged = tuple[ValuedSample, str]


@router.get("/campaigns/{campaign_id:int}/data-values")
def show_data_values(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    number_: Annotated[int, Query(alias="page", ge=1)] = 1,
    source: str = "",
    group: str = "",
    kind: str = "",
) -> HTMLResponse:
    run = valuations.newest_succeeded(session, campaign)
    everything = valuations.valued_samples(session, run) if run else []
    judged = judge([row for row in everything if _matches(row, source, group)], run)
    kept = [item for item in judged if kind in {"", item[1]}]
    number_ = min(number_, last_page(len(kept), PAGE_SIZE))
    base = f"/campaigns/{campaign.id}"
    query = {"source": source, "group": group, "kind": kind}
    set_ = {name: value for name, value in query.items() if value}
    context = DataValuesContext(
        frame=frame(request, "Data values", section="data-values", campaign=campaign),
        run=run_line(run, campaign) if run else None,
        rows=[_line(base, *item) for item in kept[::-1][(number_ - 1) * PAGE_SIZE : number_ * PAGE_SIZE]],
        pager=pager(request.url.path, page=number_, size=PAGE_SIZE, total=len(kept), query=set_),
        target=target_with_unit(campaign),
        quality=quality_of(run, campaign) if run else None,
        charts=charts(kept, f"{base}/samples/", is_probability=_is_probability(run)),
        kinds=_kinds(request.url.path, judged, query),
        choices=_choices(everything, source, group),
        kept=kind,
        is_filtered=bool(set_),
        waiting=len(waiting(session, campaign)) if run else 0,
        page_url=request.url.path,
        reviews_url=f"{base}/reviews",
        surrogate_url=f"{base}/surrogate",
        runs_url=f"{base}/runs",
    )
    return page(request, context)


def _matches(row: ValuedSample, source: str, group: str) -> bool:
    return source in {"", row.source} and group in {"", row.group or ""}


def _is_probability(run: ValuationRun | None) -> bool:
    return run is not None and run.configuration.get("mode", READABLE_MODE) == READABLE_MODE


def judge(rows: Sequence[ValuedSample], run: ValuationRun | None) -> list[Judged]:
    """Each row with its diagnosis; `unjudged` where the values are no probabilities."""
    if not _is_probability(run):
        return [(row, UNJUDGED) for row in rows]
    return [(row, diagnose(row.value, row.value_target_loss, row.value_transport).value) for row in rows]


def _kinds(path: str, judged: Sequence[Judged], query: dict[str, str]) -> list[Filter]:
    counts = Counter(kind for _, kind in judged)
    kinds = [kind.value for kind in Diagnosis] if UNJUDGED not in counts else [UNJUDGED]
    chosen = query["kind"]

    def url(kind: str) -> str:
        left = {name: value for name, value in {**query, "kind": kind}.items() if value}
        return f"{path}?{urlencode(left)}" if left else path

    everything = Filter("all", len(judged), url(""), is_current=not chosen)
    found = [Filter(words(kind), counts[kind], url(kind), is_current=kind == chosen) for kind in kinds]
    return [everything, *found]


def _choices(rows: Sequence[ValuedSample], source: str, group: str) -> list[Choice]:
    """Filters that would filter something."""
    sources = sorted({row.source for row in rows})
    groups = sorted({row.group for row in rows if row.group})[:GROUPS_SHOWN]
    found = [Choice("source", "Source", sources, source), Choice("group", "Group", groups, group)]
    return [choice for choice in found if len(choice.options) > 1 or choice.chosen]


def _line(base: str, row: ValuedSample, kind: str) -> ValuedLine:
    side, sentence = why(row.value_target_loss, row.value_transport)
    if kind == UNJUDGED:
        side, sentence = "none", "Mode published: values give an order, and no probability."
    if kind == Diagnosis.FAR_FROM_TARGET:
        side, sentence = "none", "It lies far from the target domain; neither label nor features look wrong."
    return ValuedLine(
        name=row.name,
        url=f"{base}/samples/{row.sample_id}",
        source=row.source,
        group=row.group or "",
        target=number(row.target),
        value=number(row.value),
        spread=number(row.spread),
        value_target_loss=number(row.value_target_loss),
        value_transport=number(row.value_transport),
        rank=row.rank,
        kind=kind,
        side=side,
        why=sentence,
    )


def charts(judged: Sequence[Judged], sample_url: str, *, is_probability: bool) -> dict[str, Any]:
    """Data of the charts, thinned.

    Args:
        judged: rows with their diagnosis, most valuable first.
        sample_url: address of a sample without its id.
        is_probability: whether the numbers lie between 0 and 1.

    Returns:
        `values`: [rank, value, spread, id, kind, name]; `sides`: [value_transport, value_target_loss, id, kind, name];
        `shown` of `total` rows; `limit`: below it a sample stands out.
    """
    finite = [item for item in judged if _is_finite(item[0])]
    kept = thin(finite, POINTS_SHOWN)
    return {
        "values": [
            [row.rank, short(row.value), short(row.spread), row.sample_id, kind, row.name]
            for row, kind in kept
        ],
        "sides": [
            [short(row.value_transport), short(row.value_target_loss), row.sample_id, kind, row.name]
            for row, kind in kept
        ],
        "shown": len(kept),
        "total": len(judged),
        "limit": STANDS_OUT,
        "is_probability": is_probability,
        "sample_url": sample_url,
    }


def _is_finite(row: ValuedSample) -> bool:
    return all(map(math.isfinite, (row.value, row.spread, row.value_target_loss, row.value_transport)))
