"""`/campaigns/{id}/uploads`: files of crash tests, and imports from public databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from service.admin import flash
from service.admin.attempts import attempt, sentence
from service.admin.contexts.base import Filter
from service.admin.contexts.uploads import ImportLine, UploadLine, UploadsContext
from service.admin.formats import number, words
from service.admin.forms import FormDep, parse_document
from service.admin.pages.other_runs import other_run_line
from service.admin.paging import pager
from service.admin.refusals import changed_or_refused, echo
from service.admin.rendering import frame, page
from service.database.models import Campaign, ImportRun, Upload
from service.dependencies import CampaignDep, GuardedRoute, Principal, SessionDep, SettingsDep
from service.errors import ConflictError, InputError, TooLargeError
from service.imports import service as imports
from service.imports.schemas import ImportRequest
from service.ingest.options import UNIT_SYSTEMS
from service.lifecycles import UploadStatus
from service.runs import service as runs
from service.settings import Settings
from service.uploads import service as uploads
from service.uploads.schemas import Occupants, UploadRequest
from service.vocabulary import Split

router = APIRouter(route_class=GuardedRoute)
PAGE_SIZE = 50
SHOWN_IMPORTS = 5
SHOWN_SENTENCES = 5
MIB = 2**20


def uploads_url(campaign_id: int) -> str:
    return f"/campaigns/{campaign_id}/uploads"


@router.get("/campaigns/{campaign_id:int}/uploads")
def show_uploads(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    settings: SettingsDep,
    status: UploadStatus | None = None,
    page_number: Annotated[int, Query(ge=1, le=10**6, alias="page")] = 1,
) -> HTMLResponse:
    return page(request, _context(request, session, campaign, settings, status, page_number))


def _context(
    request: Request,
    session: SessionDep,
    campaign: Campaign,
    settings: Settings,
    status: UploadStatus | None = None,
    number_: int = 1,
    form: Mapping[str, str] | None = None,
) -> UploadsContext:
    counts = uploads.status_counts(session, campaign)
    total = sum(counts.values()) if status is None else counts.get(status, 0)
    found = uploads.newest(
        session, campaign, status=status, offset=(number_ - 1) * PAGE_SIZE, limit=PAGE_SIZE
    )
    query = {"status": status.value} if status else {}
    newest = runs.newest(session, ImportRun, campaign.id, limit=SHOWN_IMPORTS)
    return UploadsContext(
        frame=frame(request, "Uploads", section="uploads", campaign=campaign),
        uploads=[upload_line(upload) for upload in found],
        filters=_filters(campaign.id, counts, status),
        pager=pager(uploads_url(campaign.id), page=number_, size=PAGE_SIZE, total=total, query=query),
        sources=[source.name for source in campaign.sources],
        splits=[split.value for split in Split],
        occupants=[occupants.value for occupants in Occupants],
        units=list(UNIT_SYSTEMS),
        most_mib=settings.max_upload_mib,
        imports=[_import_line(run) for run in newest],
        typed=echo(form or {}),
    )


def _filters(
    campaign_id: int, counts: Mapping[UploadStatus, int], current: UploadStatus | None
) -> list[Filter]:
    url = uploads_url(campaign_id)
    everything = Filter("all", sum(counts.values()), url, is_current=current is None)
    return [
        everything,
        *(
            Filter(words(status), counts[status], f"{url}?status={status}", is_current=status is current)
            for status in UploadStatus
            if counts.get(status)
        ),
    ]


def upload_line(upload: Upload) -> UploadLine:
    return UploadLine(
        id=upload.id,
        filename=upload.filename,
        status=upload.status,
        size_mib=upload.size_bytes / MIB,
        told=upload.error_message or _told(upload),
        is_error=upload.status is UploadStatus.FAILED,
        requested_by=upload.requested_by,
        created_at=upload.created_at,
    )


def _told(upload: Upload) -> str:
    """The labels that were read, and how much was left out."""
    if upload.report is None:
        return ""
    labels = [
        f"{seat['occupant']} {number(seat['rolc_g'])} g"
        for seat in upload.report["occupants"]
        if seat["rolc_g"] is not None
    ]
    left_out = len(upload.report["quarantined"])
    parts = [", ".join(labels) or "no label", f"{left_out} quarantined" if left_out else ""]
    return "; ".join(part for part in parts if part)


def _import_line(run: ImportRun) -> ImportLine:
    outcomes = (run.metrics or {}).get("outcomes")
    counted = outcomes.items() if isinstance(outcomes, dict) else []
    return ImportLine(other_run_line(run), [(words(name), count) for name, count in counted])


async def _files(request: Request) -> list[UploadFile]:
    """The files of the form; an input that was left empty sends one without a name."""
    found = (await request.form()).getlist("files")
    return [file for file in found if isinstance(file, UploadFile) and file.filename]


# What may be said beside a file; what is left open the file says.
_SAID = {"source", "split", "occupants", "units", "initial_speed_kmh"}
FilesDep = Annotated[list[UploadFile], Depends(_files)]


@router.post("/campaigns/{campaign_id:int}/uploads")
def add_uploads(
    campaign: CampaignDep,
    form: FormDep,
    files: FilesDep,
    session: SessionDep,
    settings: SettingsDep,
    principal: Principal,
) -> RedirectResponse:
    """Several files at once: what is wrong with one keeps none of the others."""
    url = uploads_url(campaign.id)
    if not files:
        return flash.redirect(url, "error", "No file was chosen.")
    said = {name: text for name, text in form.items() if name in _SAID and text.strip()}
    refused = [
        text
        for file in files
        if (text := _why_refused(session, settings, campaign, said, file, actor=principal.name))
    ]
    taken = len(files) - len(refused)
    told = [
        f"{taken} of {len(files)} files are sent to a worker, which reads them.",
        *refused[:SHOWN_SENTENCES],
    ]
    return flash.redirect(url, "error" if refused else "ok", " ".join(told))


def _why_refused(
    session: SessionDep,
    settings: Settings,
    campaign: Campaign,
    said: Mapping[str, str],
    file: UploadFile,
    *,
    actor: str,
) -> str:
    name = file.filename or "upload"
    try:
        with session.begin_nested():
            wanted = parse_document(UploadRequest, said)
            uploads.create(session, settings, campaign, wanted, filename=name, content=file.file, actor=actor)
    except (ConflictError, InputError, TooLargeError) as error:
        return f"{name}: {sentence(error)}"
    return ""


@router.post("/campaigns/{campaign_id:int}/imports")
def start_import(
    request: Request,
    campaign: CampaignDep,
    form: FormDep,
    session: SessionDep,
    settings: SettingsDep,
    principal: Principal,
) -> Response:
    def change() -> Response:
        wanted = parse_document(ImportRequest, form)
        run = imports.request_run(session, campaign, wanted, actor=principal.name)
        return flash.redirect(uploads_url(campaign.id), "ok", f"Import {run.id} is queued.")

    again = lambda: _context(request, session, campaign, settings, form=form)  # noqa: E731
    return changed_or_refused(request, session, change, again)


@router.post("/imports/{run_id:int}/cancel")
def cancel_import(run_id: int, session: SessionDep, principal: Principal) -> RedirectResponse:
    run = imports.get(session, run_id)

    def change() -> str:
        imports.cancel(session, run.id, actor=principal.name)
        return f"Import {run.id} stops after the test that it is at."

    return attempt(session, uploads_url(run.campaign_id), change)
