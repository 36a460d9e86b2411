"""REST: files of crash tests."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Form, Response, UploadFile, status
from pydantic import ValidationError

from service.acquisitions.schemas import Note
from service.campaigns import service as campaigns
from service.dependencies import CampaignDep, PageDep, Principal, SessionDep, SettingsDep
from service.errors import FieldError, InputError, json_pointer
from service.lifecycles import UploadStatus
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.samples import service as samples
from service.uploads import curves, service
from service.uploads.schemas import (
    Acceptance,
    CurvesRead,
    Occupants,
    Relabelling,
    RelabellingResult,
    UploadDetail,
    UploadRead,
    UploadRequest,
    UploadResult,
)
from service.vocabulary import Split

router = NounRouter(tags=["uploads"])
# Seconds after which a client may usefully ask again.
RETRY_AFTER_S = 1
_EXAMPLE: dict[str, Any] = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "example": {
                    "file": "(content of v10146.zip)",
                    "campaign_id": 1,
                    "source": "full_vehicle",
                    "features": '{"body": "sedan"}',
                }
            }
        }
    }
}


@router.post(
    "/uploads",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 409, 413, 422),
    openapi_extra=_EXAMPLE,
)
def create_upload(
    file: UploadFile,
    campaign_id: Annotated[int, Form()],
    source: Annotated[str, Form(description="Name of one of the campaign's sources.")],
    session: SessionDep,
    settings: SettingsDep,
    principal: Principal,
    response: Response,
    split: Annotated[Split, Form()] = Split.TRAIN,
    occupants: Annotated[Occupants, Form()] = Occupants.DRIVER,
    features: Annotated[
        str, Form(description="JSON object: features that the file does not hold, and others as planned.")
    ] = "{}",
    sample_id: Annotated[int | None, Form(description="The candidate that this is the test of.")] = None,
    file_format: Annotated[str, Form(description="Name of a reader; `auto` tells it by the files.")] = "auto",
    units: Annotated[
        str | None, Form(description="binout: the model's mass, length and time, such as kg-mm-ms.")
    ] = None,
    mapping: Annotated[
        str | None,
        Form(description="csv: JSON object; NAME.mapping.json beside the table in an archive does as well."),
    ] = None,
    initial_speed_kmh: Annotated[
        float | None, Form(description="Speed at first contact, instead of the file's.")
    ] = None,
    vehicle_channels: Annotated[
        list[str] | None, Form(description="Keys of the channels whose mean is the vehicle pulse.")
    ] = None,
    chest_channels: Annotated[
        str, Form(description="JSON object: occupant to key of the chest channel.")
    ] = "{}",
    test_number: Annotated[
        str | None, Form(description="Number or name of the test, instead of the file's.")
    ] = None,
    *,
    accept: Annotated[bool, Form(description="Accept at once when nothing speaks against it.")] = False,
) -> UploadRead:
    """Send a crash test (EV5, ISO-MME, TDMS, binout, a table; one file, a zip or a tar); a worker reads it.

    Follow it at `Location`.
    """
    campaign = campaigns.get(session, campaign_id)
    request = _request(
        source=source, split=split, occupants=occupants, features=_parse_object("features", features),
        sample_id=sample_id, file_format=file_format, units=units,
        mapping=_parse_object("mapping", mapping) if mapping else None,
        initial_speed_kmh=initial_speed_kmh, vehicle_channels=vehicle_channels or [],
        chest_channels=_parse_object("chest_channels", chest_channels), test_number=test_number, accept=accept,
    )  # fmt: skip
    upload = service.create(
        session, settings, campaign, request, filename=file.filename or "upload", content=file.file,
        actor=principal.name,
    )  # fmt: skip
    response.headers["Location"] = f"/api/v1/uploads/{upload.id}"
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return UploadRead.model_validate(upload)


def _request(**form: Any) -> UploadRequest:  # noqa: ANN401 - the form's fields
    try:
        return UploadRequest.model_validate(form)
    except ValidationError as error:
        errors = [
            FieldError(json_pointer(detail["loc"]), detail["msg"].removeprefix("Value error, "))
            for detail in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise InputError("The form does not fit the API.", errors=errors) from error


def _parse_object(field: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        errors = [FieldError(f"/{field}", "expects a JSON object")]
        raise InputError("The form does not fit the API.", errors=errors)
    return document


@router.get("/campaigns/{campaign_id}/uploads", responses=responses(400, 404))
def list_uploads(campaign: CampaignDep, session: SessionDep, page: PageDep) -> Page[UploadRead]:
    """Uploads of a campaign, oldest first."""
    rows, more = service.page(session, campaign, page)
    items = [UploadRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@router.get("/uploads/{upload_id}", responses=responses(404))
def read_upload(upload_id: int, session: SessionDep, response: Response) -> UploadDetail:
    """What was read from a file, what was quarantined and why, and what acceptance would make of it."""
    upload = service.get(session, upload_id)
    if upload.status in {UploadStatus.QUEUED, UploadStatus.RUNNING}:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    read = UploadRead.model_validate(upload).model_dump()
    return UploadDetail(**read, proposals=service.proposals(session, upload))


@router.post("/uploads/{upload_id}:accept", responses=responses(404, 409, 422))
def accept_upload(
    upload_id: int, session: SessionDep, principal: Principal, changes: Acceptance | None = None
) -> UploadResult:
    """Make samples of a parsed file; a test outside of its tolerances needs `accept_drift`."""
    upload, stored = service.accept(session, upload_id, changes, actor=principal.name)
    read = UploadRead.model_validate(upload).model_dump()
    return UploadResult(**read, samples=[samples.read(sample, sample.source.name) for sample in stored])


@router.post("/uploads/{upload_id}:reject", responses=responses(404, 409))
def reject_upload(
    upload_id: int, session: SessionDep, principal: Principal, note: Note | None = None
) -> UploadRead:
    """Make nothing of a parsed file."""
    reason = note.reason if note else ""
    return UploadRead.model_validate(service.reject(session, upload_id, reason=reason, actor=principal.name))


@router.post(
    "/campaigns/{campaign_id}/uploads:relabel",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(404, 422),
)
def relabel_uploads(
    request: Relabelling, campaign: CampaignDep, session: SessionDep, principal: Principal
) -> RelabellingResult:
    """Change the campaign's label definition: all labels from files are computed again from the originals."""
    return service.relabel(session, campaign, request.label_definition, actor=principal.name)


@router.get("/samples/{sample_id}/curves", responses=responses(404, 409))
def read_sample_curves(sample_id: int, session: SessionDep, settings: SettingsDep) -> CurvesRead:
    """Acceleration and speed of car and chest behind a label that came from a file, with t1 and t2."""
    return curves.curves_of(session, settings, sample_id)
