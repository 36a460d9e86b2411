"""`/campaigns/{id}/data-values`: how useful each labelled sample is, and which ones look wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.admin.contexts.data_values import DataValuesContext
from service.admin.pages.quality import quality_of
from service.admin.pages.run_lines import run_line
from service.admin.pages.value_lines import STANDS_OUT, value_lines
from service.admin.pages.wording import target_with_unit
from service.admin.paging import last_page, pager
from service.admin.rendering import frame, page
from service.database.models import ValuationRun
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.valuations import service as valuations

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 50
# More points than these look the same and only make the page heavy.
POINTS_SHOWN = 800

Components = Sequence[tuple[int, str | None, float, float, float]]


@router.get("/campaigns/{campaign_id:int}/data-values")
def show_data_values(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> HTMLResponse:
    run = valuations.newest_succeeded(session, campaign)
    components = valuations.components(session, run) if run else []
    number = min(number, last_page(len(components), PAGE_SIZE))
    context = DataValuesContext(
        frame=frame(request, "Data values", section="data-values", campaign=campaign),
        run=run_line(run, campaign) if run else None,
        rows=value_lines(_rows(session, run, number)) if run else [],
        pager=pager(request.url.path, page=number, size=PAGE_SIZE, total=len(components)),
        target=target_with_unit(campaign),
        quality=quality_of(run, campaign) if run else None,
        charts=charts(components),
        runs_url=f"/campaigns/{campaign.id}/runs",
    )
    return page(request, context)


def _rows(session: SessionDep, run: ValuationRun, number: int) -> Sequence[Any]:
    return valuations.least_valuable(session, run, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)


def charts(components: Components) -> dict[str, Any]:
    """Data of the charts, thinned.

    Args:
        components: (sample id, external id, value, value_target_loss, value_transport), most valuable first.

    Returns:
        `values`: [rank, value, name]; `sides`: [value_transport, value_target_loss, name]; `total`: how many there are
        before thinning; `limit`: below it a sample stands out.
    """
    ranked = [
        (rank, external_id or f"sample {key}", *numbers)
        for rank, (key, external_id, *numbers) in enumerate(components, start=1)
        if all(map(math.isfinite, numbers))
    ]
    kept = thin(ranked, POINTS_SHOWN)
    return {
        "values": [[rank, _short(value), name] for rank, name, value, _, _ in kept],
        "sides": [[_short(features), _short(label), name] for _, name, _, label, features in kept],
        "total": len(components),
        "limit": STANDS_OUT,
    }


def thin(rows: Sequence[Any], most: int) -> list[Any]:
    """At most `most` rows in their order.

    The last eighth of the places is for the last rows, the suspicious ones; the others are spread evenly.
    """
    if len(rows) <= most:
        return list(rows)
    tail = most // 8
    head = rows[: len(rows) - tail]
    step = len(head) / (most - tail)
    return [head[int(index * step)] for index in range(most - tail)] + list(rows[-tail:])


def _short(value: float) -> float:
    """Four figures: what a screen can show."""
    return float(f"{value:.4g}")
