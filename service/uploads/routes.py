"""REST: files of crash tests."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Response, UploadFile

from service.campaigns import service as campaigns
from service.dependencies import CampaignDep, GuardedRoute, PageDep, Principal, SessionDep
from service.errors import FieldError, InputError
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.samples import service as samples
from service.uploads import service
from service.uploads.schemas import Occupants, UploadRead, UploadResult
from service.vocabulary import Split

router = APIRouter(tags=["uploads"], route_class=GuardedRoute)


@router.post("/uploads", status_code=201, responses=responses(404, 409, 413, 422))
def create_upload(
    file: UploadFile,
    campaign_id: Annotated[int, Form()],
    source: Annotated[str, Form(description="Name of one of the campaign's sources.")],
    session: SessionDep,
    principal: Principal,
    response: Response,
    split: Annotated[Split, Form()] = Split.TRAIN,
    occupants: Annotated[Occupants, Form()] = Occupants.DRIVER,
    features: Annotated[str, Form(description="JSON object: features that the file does not hold.")] = "{}",
) -> UploadResult:
    """Read a zipped crash test (NHTSA EV5): its label is computed and it becomes a labelled sample."""
    campaign = campaigns.get(session, campaign_id)
    request = service.UploadRequest(
        filename=file.filename or "upload",
        content=file.file,
        source=source,
        split=split,
        occupants=occupants,
        features=_parse_features(features),
    )
    upload, created = service.create(session, campaign, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/uploads/{upload.id}"
    read = UploadRead.model_validate(upload).model_dump()
    return UploadResult(**read, samples=[samples.read(sample, sample.source.name) for sample in created])


def _parse_features(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        errors = [FieldError("/features", "expects a JSON object of feature values")]
        raise InputError("The form does not fit the API.", errors=errors)
    return document


@router.get("/campaigns/{campaign_id}/uploads", responses=responses(400, 404))
def list_uploads(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[UploadRead]:
    """Uploads of a campaign, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [UploadRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/uploads/{upload_id}", responses=responses(404))
def read_upload(upload_id: int, session: SessionDep) -> UploadRead:
    """What was read from a file, and what was quarantined and why."""
    return UploadRead.model_validate(service.get(session, upload_id))
