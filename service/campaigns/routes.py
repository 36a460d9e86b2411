"""REST: campaigns."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Response, status

from service.campaigns import service, sources
from service.campaigns.feature_schemas import FEATURE_SCHEMAS
from service.campaigns.schemas import (
    CampaignCreate,
    CampaignRead,
    CampaignSummary,
    FeatureSchemaRead,
    SourceCreate,
    SourceRead,
    SourceUpdate,
)
from service.dependencies import CampaignDep, PageDep, Principal, SessionDep, SettingsDep
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(prefix="/campaigns", tags=["campaigns"])
library_router = NounRouter(prefix="/feature-schemas", tags=["campaigns"])
_SLED: dict[str, Any] = {
    "sled": {
        "value": {
            "name": "sled",
            "kind": "physical_test",
            "acquisition_cost": "12000",
            "lead_time_hours": "72",
        }
    }
}


@router.post("", status_code=status.HTTP_201_CREATED, responses=responses(422))
def create_campaign(
    request: CampaignCreate,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
    response: Response,
) -> CampaignRead:
    """Create a campaign: what the surrogate predicts, from what, for which domain, bought where."""
    campaign = service.create(
        session, request, actor=principal.name, oracle_commands=settings.oracle_commands
    )
    response.headers["Location"] = f"/api/v1/campaigns/{campaign.id}"
    return CampaignRead.model_validate(campaign)


@router.get("", responses=responses(400))
def list_campaigns(session: SessionDep, page: PageDep) -> Page[CampaignRead]:
    """All campaigns, oldest first."""
    rows, more = service.page(session, page)
    items = [CampaignRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/{campaign_id}", responses=responses(404))
def read_campaign(campaign: CampaignDep) -> CampaignRead:
    """One campaign with its feature schema and sources."""
    return CampaignRead.model_validate(campaign)


@router.get("/{campaign_id}/summary", responses=responses(404))
def read_campaign_summary(campaign: CampaignDep, session: SessionDep) -> CampaignSummary:
    """Counts and money of a campaign."""
    return service.summary(session, campaign)


@router.post(
    "/{campaign_id}/sources", status_code=status.HTTP_201_CREATED, responses=responses(404, 409, 422)
)
def create_source(
    request: Annotated[SourceCreate, Body(openapi_examples=_SLED)],
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
) -> SourceRead:
    """A further place where labels can be bought."""
    source = sources.add(
        session, campaign, request, actor=principal.name, oracle_commands=settings.oracle_commands
    )
    return SourceRead.model_validate(source)


@router.patch("/{campaign_id}/sources/{source_id}", responses=responses(404, 422))
def update_source(
    source_id: int, request: SourceUpdate, campaign: CampaignDep, session: SessionDep, principal: Principal
) -> SourceRead:
    """Change price, lead time or capacity for what is proposed from now on."""
    source = sources.update(session, campaign, source_id, request, actor=principal.name)
    return SourceRead.model_validate(source)


@library_router.get("")
def list_feature_schemas() -> list[FeatureSchemaRead]:
    """Ready-made feature schemas; name one as `feature_schema: {"library": ...}` of a new campaign."""
    return [FeatureSchemaRead.model_validate(schema) for schema in FEATURE_SCHEMAS.values()]
