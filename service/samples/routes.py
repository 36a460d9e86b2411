"""REST: samples, singly and in bulk."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Query, Response, status

from service.dependencies import (
    CampaignDep,
    PageDep,
    Principal,
    RawBodyDep,
    SessionDep,
    SettingsDep,
)
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.samples import service, vetoes
from service.samples.hygiene_report import HygieneReport
from service.samples.schemas import (
    BulkAnswer,
    BulkResult,
    LabelChangeRead,
    OnError,
    SampleCreate,
    SampleFilter,
    SampleRead,
    VetoRequest,
)
from service.samples.tables import read_rows

router = NounRouter(tags=["samples"])

_EXAMPLE = {
    "source": "full_vehicle",
    "planned_features": {"impact_speed_kmh": 56.0, "test_mass_kg": 1810},
    "target": 25.8,
}
_ROW = {"$ref": "#/components/schemas/SampleCreate"}
_BULK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"samples": {"type": "array", "items": _ROW}},
                    "required": ["samples"],
                },
                "example": {"samples": [_EXAMPLE]},
            },
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One sample a line."},
                "example": json.dumps(_EXAMPLE) + "\n",
            },
            "text/csv": {
                "schema": {
                    "type": "string",
                    "description": "Columns external_id, source, split, group, target, label_definition, "
                    "and one per feature (`executed.<feature>` for what was run differently).",
                },
                "example": "external_id,source,impact_speed_kmh,test_mass_kg,target\n"
                "T-1042,full_vehicle,56.0,1810,25.8\nC-7,full_vehicle,64.0,2250,\n",
            },
        },
    }
}


@router.post("/campaigns/{campaign_id}/samples", status_code=201, responses=responses(404, 409, 422))
def create_sample(
    request: SampleCreate,
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    response: Response,
) -> SampleRead:
    """Add one sample: labelled when it has a target, else a candidate."""
    sample = service.create(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/samples/{sample.id}"
    return service.read(sample, sample.source.name)


@router.post(
    "/campaigns/{campaign_id}/samples:bulk",
    status_code=status.HTTP_201_CREATED,
    response_model=BulkResult,
    responses=responses(404, 409, 413, 422),
    openapi_extra=_BULK_BODY,
)
def create_samples(
    campaign: CampaignDep,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
    body: RawBodyDep,
    on_error: OnError = OnError.REJECT_ALL,
    answer: Annotated[BulkAnswer, Query(description="`summary` names rejected rows only.")] = BulkAnswer.FULL,
) -> Response:
    """Add many samples from JSON, NDJSON or CSV in one transaction, with a result per row."""
    features = service.schema_of(campaign).features
    rows = read_rows(body.content, body.content_type, features, most=settings.max_bulk_rows)
    result = service.create_bulk(session, campaign, rows, on_error, actor=principal.name)
    if answer is BulkAnswer.SUMMARY:
        result.results = [row for row in result.results if row.errors]
    # As it is: FastAPI would check and copy ten thousand rows of our own making once more.
    content = result.model_dump_json()
    return Response(content, status_code=status.HTTP_201_CREATED, media_type="application/json")


@router.get("/campaigns/{campaign_id}/samples", responses=responses(400, 404))
def list_samples(
    campaign_id: int, session: SessionDep, page: PageDep, wanted: Annotated[SampleFilter, Depends()]
) -> Page[SampleRead]:
    """Samples of a campaign, oldest first."""
    items, more = service.page(session, campaign_id, wanted, page)
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/campaigns/{campaign_id}/hygiene", responses=responses(404))
def read_hygiene(
    campaign: CampaignDep,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="Longest list of one kind of finding.")] = 50,
) -> HygieneReport:
    """Repeated and nearly repeated designs, leaks into the holdout, outliers among features and labels."""
    return service.hygiene(session, campaign, limit=limit)


@router.get("/samples/{sample_id}", responses=responses(404))
def read_sample(sample_id: int, session: SessionDep) -> SampleRead:
    """One sample."""
    sample = service.get(session, sample_id)
    return service.read(sample, sample.source.name)


@router.get("/samples/{sample_id}/label-changes", responses=responses(404))
def list_label_changes(sample_id: int, session: SessionDep) -> list[LabelChangeRead]:
    """Every label that the sample ever had, oldest first; the last one is the present one."""
    return [LabelChangeRead.model_validate(row) for row in service.label_changes(session, sample_id)]


@router.post("/samples/{sample_id}:veto", responses=responses(404, 409, 422))
def veto_sample(
    sample_id: int, request: VetoRequest, session: SessionDep, principal: Principal
) -> SampleRead:
    """No later round proposes the candidate, until `:unveto`."""
    sample = vetoes.veto(session, sample_id, reason=request.reason, actor=principal.name)
    return service.read(sample, sample.source.name)


@router.post("/samples/{sample_id}:unveto", responses=responses(404, 409))
def unveto_sample(sample_id: int, session: SessionDep, principal: Principal) -> SampleRead:
    """Let later rounds propose the candidate again."""
    sample = vetoes.lift(session, sample_id, actor=principal.name)
    return service.read(sample, sample.source.name)
