"""`/campaigns/{id}/recommendations/map`: the pool on a plane, and what to do with what is selected there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from service.admin.contexts.pool_map import AxisView, MapView, PoolMapContext
from service.admin.formats import number, words
from service.admin.pages.wording import target_name
from service.admin.rendering import frame, page
from service.database.models import Campaign, PoolMap
from service.dependencies import CampaignDep, GuardedRoute, SessionDep
from service.errors import NotFoundError
from service.maps import service as maps
from service.quantities import quantity

router = APIRouter(route_class=GuardedRoute)
ROUNDS_SHOWN = 20
FORMAT = 1  # of the points; part of their ETag


@router.get("/campaigns/{campaign_id:int}/recommendations/map")
def show_map(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    round_id: Annotated[int | None, Query(alias="round", ge=1)] = None,
) -> HTMLResponse:
    found = maps.newest_of(session, campaign) if round_id is None else _map_of(session, campaign, round_id)
    context = PoolMapContext(
        frame=frame(request, "Map of the pool", section="recommendations", campaign=campaign),
        view=_view(found, campaign) if found else None,
        round_ids=maps.round_ids(session, campaign, limit=ROUNDS_SHOWN),
        target=target_name(campaign),
        target_unit=campaign.target["unit"],
    )
    return page(request, context)


@router.get("/campaigns/{campaign_id:int}/recommendations/map/{round_id:int}/points")
def map_points(request: Request, campaign: CampaignDep, round_id: int, session: SessionDep) -> Response:
    """The points as columns of JSON; kept by the browser, and asked about again each time.

    Only labels can change after the ranking: the tag is made of their last change.
    """
    found = _map_of(session, campaign, round_id)
    tag = _tag(maps.version(session, found))
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    document = maps.read(session, found).model_dump_json()
    return Response(document, media_type="application/json", headers=headers)


def _map_of(session: SessionDep, campaign: Campaign, round_id: int) -> PoolMap:
    """The map, when it is one of this campaign."""
    if maps.campaign_id_of(session, round_id) != campaign.id:
        raise NotFoundError(f"Campaign {campaign.id} has no round {round_id}.")
    return maps.get(session, round_id)


def _tag(version: str) -> str:
    return f'"{hashlib.sha256(f"{FORMAT} {version}".encode()).hexdigest()[:20]}"'


def _view(found: PoolMap, campaign: Campaign) -> MapView:
    shown, whole = found.candidates_shown, found.candidates
    count = f"{shown:,} of {whole:,}" if shown < whole else f"all {whole:,}"
    by_lot = ": the batch, and the others drawn by lot" if shown < whole else ""
    axes = zip(found.axes["explained"], found.axes["drivers"], strict=True)
    return MapView(
        round_id=found.round_id,
        data_url=f"/campaigns/{campaign.id}/recommendations/map/{found.round_id}/points",
        axes=[AxisView(_axis_text(drivers, campaign), 100 * share) for share, drivers in axes],
        explained_percent=100 * found.explained_share,
        shown_text=f"{count} candidates shown{by_lot}.",
    )


def _axis_text(drivers: list[Mapping[str, Any]], campaign: Campaign) -> str:
    """`more crush space (0.8), less front stiffness (−0.7)`."""
    units = {feature["name"]: feature.get("unit", "1") for feature in campaign.feature_schema}
    return ", ".join(_driver_text(item["column"], item["correlation"], units) for item in drivers)


def _driver_text(column: str, correlation: float, units: Mapping[str, str]) -> str:
    name, _, category = column.partition("=")
    label = quantity(name, units.get(name, "1"))
    text = f"{label} {words(category)}" if category else label
    return f"{'more' if correlation > 0 else 'less'} {text} ({number(correlation)})"
