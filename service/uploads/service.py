"""Rules of uploads: a file is received, read by a worker, looked at, and accepted or rejected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from service.acquisitions import outcomes
from service.acquisitions import service as acquisitions
from service.acquisitions.schemas import Completion
from service.audit import repository as audit
from service.campaigns import repository as campaigns_repository
from service.campaigns import service as campaigns
from service.database.models import Campaign, Sample, Upload
from service.errors import ConflictError, FieldError, InputError, NotFoundError, TransitionError
from service.ingest import recognise
from service.lifecycles import UploadStatus
from service.logs import log_fields
from service.pagination import PageRequest, cut_page
from service.queue.client import enqueue
from service.queue.messages import Message, TaskName
from service.samples import repository as samples_repository
from service.samples import service as samples
from service.samples.validation import check_features, check_target
from service.settings import Settings
from service.signals.rolc import ROLC_DEFINITIONS
from service.uploads import originals, repository
from service.uploads.proposals import Made, label_details, propose
from service.uploads.schemas import Acceptance, Proposal, RelabellingResult, UploadRequest
from service.vocabulary import SampleStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def create(
    session: Session,
    settings: Settings,
    campaign: Campaign,
    request: UploadRequest,
    *,
    filename: str,
    content: BinaryIO,
    actor: str,
) -> Upload:
    """Store the original and queue it for reading.

    Raises:
        FileFormatError, TooLargeError: if it is no crash test that a reader knows, or unpacks to too much.
        InputError: if the request does not fit the campaign.
        ConflictError: if the campaign has this file already, or the candidate has its label.
    """
    definition = _check_request(session, campaign, request)
    original = originals.save(settings, content)
    try:
        with originals.opened(settings, original.key, filename) as path:
            recognise(path, file_format=request.file_format)
        _refuse_twice(session, campaign, original.sha256)
        upload = Upload(
            campaign_id=campaign.id,
            filename=originals.shown_name(filename),
            sha256=original.sha256,
            size_bytes=original.size_bytes,
            storage_key=original.key,
            request=request.model_dump(mode="json"),
            label_definition=definition,
            requested_by=actor,
        )
        repository.add(session, upload)
    except BaseException:
        originals.discard(settings, original.key)
        raise
    audit.record(
        session,
        actor,
        "create",
        "upload",
        upload.id,
        campaign_id=campaign.id,
        after={"sha256": upload.sha256},
    )
    enqueue(session, Message(TaskName.UPLOAD_READ, upload.id))
    return upload


def _check_request(session: Session, campaign: Campaign, request: UploadRequest) -> str:
    """The campaign's label definition, once what was said beside the file fits."""
    schema = samples.schema_of(campaign)
    errors: list[FieldError] = []
    check_features(request.features, schema, "/features", errors)
    if request.source not in schema.sources:
        known = ", ".join(schema.sources)
        errors.append(FieldError("/source", f"unknown source '{request.source}': use one of {known}"))
    if errors:
        raise InputError("The form does not fit the campaign.", errors=errors)
    if request.sample_id is not None:
        _candidate(session, campaign.id, request.sample_id)
    definition = schema.target.label_definition
    if definition not in ROLC_DEFINITIONS:
        hint = f"A file gives labels by {', '.join(ROLC_DEFINITIONS)}; send yours with the samples."
        raise InputError(f"The campaign's labels are by '{definition}', which no file gives.", hint=hint)
    return definition


def _candidate(session: Session, campaign_id: int, sample_id: int) -> Sample:
    sample = samples.get(session, sample_id)
    if sample.campaign_id != campaign_id:
        raise InputError(f"Sample {sample_id} belongs to another campaign.")
    if sample.status is SampleStatus.LABELLED:
        message = f"Sample {sample_id} has its label already."
        raise ConflictError(
            message, hint="Send the file without sample_id: a repetition is a sample of its own."
        )
    return sample


def _refuse_twice(session: Session, campaign: Campaign, sha256: str) -> None:
    campaigns_repository.lock(session, campaign.id)  # two senders at once: the second one sees the first
    known = repository.live_with_content(session, campaign.id, sha256)
    if known is not None:
        hint = f"GET /api/v1/uploads/{known.id}; reject it first to send the file again."
        raise ConflictError(
            f"The campaign has this very file as upload {known.id} ({known.status}).", hint=hint
        )


def get(session: Session, upload_id: int) -> Upload:
    """The upload with its report.

    Raises:
        NotFoundError: if there is none with this id.
    """
    upload = repository.get(session, upload_id)
    if upload is None:
        raise NotFoundError(f"There is no upload {upload_id}.")
    return upload


def page(session: Session, campaign: Campaign, request: PageRequest) -> tuple[Sequence[Upload], bool]:
    return cut_page(repository.page(session, campaign.id, request), request.limit)


def newest(
    session: Session, campaign: Campaign, *, status: UploadStatus | None, offset: int, limit: int
) -> Sequence[Upload]:
    """Uploads of one status or of all, the newest first."""
    return repository.newest(session, campaign.id, status=status, offset=offset, limit=limit)


def status_counts(session: Session, campaign: Campaign) -> dict[UploadStatus, int]:
    """Uploads of a campaign by status; one without any is left out."""
    return repository.status_counts(session, campaign.id)


def proposals(session: Session, upload: Upload) -> list[Proposal]:
    """What acceptance would make, as things stand; nothing unless the upload waits for a decision."""
    if upload.status is not UploadStatus.PARSED:
        return []
    made, _ = _made(session, upload, UploadRequest.model_validate(upload.request))
    return [item.proposal for item in made]


def _made(session: Session, upload: Upload, wanted: UploadRequest) -> tuple[list[Made], list[FieldError]]:
    campaign = campaigns.get(session, upload.campaign_id)
    planned = None
    if wanted.sample_id is not None:
        planned = samples.get(session, wanted.sample_id).planned_features
    assert upload.report is not None
    schema = samples.schema_of(campaign)
    return propose(upload.report, wanted, schema, planned=planned, filename=upload.filename)


def _locked(session: Session, upload_id: int, wanted: UploadStatus) -> Upload:
    upload = repository.get_for_update(session, upload_id)
    if upload is None:
        raise NotFoundError(f"There is no upload {upload_id}.")
    if wanted not in upload.status.allowed or upload.status is not UploadStatus.PARSED:
        allowed = ", ".join(sorted(upload.status.allowed)) or "nothing"
        hint = f"Only a parsed upload is decided about; from {upload.status} it may become: {allowed}."
        raise TransitionError(f"Upload {upload_id} is {upload.status}.", hint=hint)
    return upload


def accept(
    session: Session, upload_id: int, changes: Acceptance | None = None, *, actor: str
) -> tuple[Upload, list[Sample]]:
    """Make the samples that the file gives, or label the candidate that it is the test of.

    Raises:
        NotFoundError, TransitionError: no such upload, or not one that waits for a decision.
        InputError: if no wanted occupant has a label, or a feature is neither in the file nor given.
        ConflictError: if the test is in the campaign already, was executed outside of its tolerances, or was
            labelled by another definition than the campaign's.
    """
    changes = changes or Acceptance()
    upload = _locked(session, upload_id, UploadStatus.ACCEPTED)
    campaign = campaigns.get(session, upload.campaign_id)
    _refuse_another_definition(campaign, upload)
    wanted = _changed(UploadRequest.model_validate(upload.request), changes)
    made, missing = _made(session, upload, wanted)
    _refuse_what_speaks_against_it(made, missing, changes)
    if wanted.sample_id is not None:
        stored = [_label_candidate(session, upload, wanted.sample_id, made, actor=actor)]
    else:
        stored = [
            samples.create(session, campaign, item.request, actor=actor, upload_id=upload.id)
            for item in made
            if item.request is not None
        ]
    before = {"status": upload.status}
    upload.status, upload.decided_at = UploadStatus.ACCEPTED, datetime.now(UTC)
    upload.request, upload.error_code, upload.error_message = wanted.model_dump(mode="json"), None, None
    upload.sample_ids = {item.proposal.occupant: sample.id for item, sample in zip(made, stored, strict=True)}
    audit.record(
        session, actor, "accept", "upload", upload.id, campaign_id=campaign.id,
        before=before, after={"status": upload.status, "sample_ids": upload.sample_ids},
    )  # fmt: skip
    return upload, stored


def _refuse_another_definition(campaign: Campaign, upload: Upload) -> None:
    """It was read while somebody changed the definition: its label would be the odd one out."""
    definition = campaign.target["label_definition"]
    if upload.label_definition != definition:
        hint = f"POST /api/v1/campaigns/{campaign.id}/uploads:relabel with '{definition}' reads it again."
        raise ConflictError(
            f"The file was labelled by '{upload.label_definition}', the campaign's labels are by '{definition}'.",
            hint=hint,
        )


def _changed(request: UploadRequest, changes: Acceptance) -> UploadRequest:
    given = changes.model_dump(mode="json", exclude_none=True, exclude={"features", "accept_drift"})
    features = {**request.features, **changes.model_dump(mode="json")["features"]}
    return UploadRequest.model_validate({**request.model_dump(mode="json"), **given, "features": features})


def _refuse_what_speaks_against_it(made: list[Made], missing: list[FieldError], changes: Acceptance) -> None:
    if not made:
        hint = "`crashscout rolc` shows the channels and flags of every occupant."
        raise InputError("No occupant that was asked for has a label.", hint=hint, errors=missing)
    if errors := [error for item in made for error in item.errors]:
        raise InputError("The form does not fit the campaign.", errors=errors)
    if not changes.accept_drift and any(item.proposal.drifts for item in made):
        errors = [
            FieldError(f"/executed_features/{drift.feature}", _drift_message(drift.model_dump()))
            for item in made
            for drift in item.proposal.drift
            if drift.within_tolerance is False
        ]
        hint = "Look at the drift, then accept with accept_drift: true, or reject."
        raise ConflictError("The test was executed outside of its tolerances.", hint=hint, errors=errors)


def _drift_message(drift: dict[str, Any]) -> str:
    if drift["difference"] is None:
        return f"planned {drift['planned']}, executed {drift['executed']}"
    unit, tolerance = drift["unit"], drift["tolerance"]
    return f"planned {drift['planned']}, executed {drift['executed']} {unit}, tolerance {tolerance:g}"


def _label_candidate(
    session: Session, upload: Upload, sample_id: int, made: list[Made], *, actor: str
) -> Sample:
    """The candidate gets the label of the one wanted occupant; a pending recommendation is completed."""
    if len(made) != 1:
        hint = "Ask for the driver, or send the file without sample_id."
        raise InputError("A candidate is one occupant, and the file gives several.", hint=hint)
    request = made[0].request
    assert request is not None and request.target is not None  # noqa: PT018
    completion = Completion.model_validate({
        "target": request.target,
        "executed_features": request.model_dump(mode="json")["executed_features"] or {},
        "label_definition": request.label_definition,
        "label_details": request.label_details,
        "reason": f"upload {upload.id}: {upload.filename}",
    })  # fmt: skip
    sample = _candidate(session, upload.campaign_id, sample_id)
    awaiting = acquisitions.awaiting_result(session, sample_id)
    if awaiting is not None:
        outcomes.complete(session, awaiting.id, completion, actor=actor)
    else:
        outcomes.label(session, sample_id, completion, actor=actor)
    sample.upload_id = upload.id
    return sample


def reject(session: Session, upload_id: int, *, reason: str, actor: str) -> Upload:
    """Make nothing of it; the row and the original stay, and the file may be sent again.

    Raises:
        NotFoundError, TransitionError: no such upload, or not one that waits for a decision.
    """
    upload = _locked(session, upload_id, UploadStatus.REJECTED)
    before = {"status": upload.status}
    upload.status, upload.decided_at = UploadStatus.REJECTED, datetime.now(UTC)
    upload.error_message = reason or None
    audit.record(
        session,
        actor,
        "reject",
        "upload",
        upload.id,
        campaign_id=upload.campaign_id,
        before=before,
        after={"status": upload.status, "reason": reason},
    )
    return upload


def relabel(session: Session, campaign: Campaign, definition: str, *, actor: str) -> RelabellingResult:
    """Give the campaign another label definition and read every kept original again under it.

    Labels that came without a file stay what they are; data hygiene shows the mixture.

    Raises:
        InputError: if no such definition is known.
    """
    if definition not in ROLC_DEFINITIONS:
        hint = f"Known: {', '.join(ROLC_DEFINITIONS)}."
        raise InputError(f"{definition!r} is not a label definition.", hint=hint)
    campaigns_repository.lock(session, campaign.id)
    before = campaign.target["label_definition"]
    campaign.target = campaign.target | {"label_definition": definition}
    ids = repository.queue_again(session, campaign.id, definition, request_id=log_fields().get("request_id"))
    for upload_id in ids:
        enqueue(session, Message(TaskName.UPLOAD_READ, upload_id))
    audit.record(
        session, actor, "relabel", "campaign", campaign.id, campaign_id=campaign.id,
        before={"label_definition": before}, after={"label_definition": definition, "uploads": len(ids)},
    )  # fmt: skip
    without = repository.count_without_original(session, campaign.id)
    return RelabellingResult(label_definition=definition, queued=len(ids), without_original=without)


def relabel_samples(session: Session, upload_id: int) -> None:
    """Give the samples of an accepted upload the labels of its new report; what has none keeps the old one."""
    upload = repository.get_for_update(session, upload_id)
    assert upload is not None and upload.report is not None  # noqa: PT018
    target = samples.schema_of(campaigns.get(session, upload.campaign_id)).target
    seats = {seat["occupant"]: seat for seat in upload.report["occupants"]}
    kept = []
    for occupant, sample_id in (upload.sample_ids or {}).items():
        seat = seats.get(occupant, {})
        errors: list[FieldError] = []
        value = check_target(seat.get("rolc_g"), target, errors)
        if value is None:
            reason = errors[0].message if errors else ", ".join(seat.get("flags", ["not in the file"]))
            kept.append(f"{occupant}: no label by {upload.label_definition} ({reason})")
            continue
        sample = samples_repository.get_for_update(session, sample_id)
        before = _label_of(sample)
        sample.target, sample.label_definition = value, seat["label_definition"]
        sample.label_details = label_details(seat)
        samples.record_labels(session, [sample], actor="relabelling", reason=f"upload {upload.id}")
        audit.record(
            session, "relabelling", "relabel", "sample", sample.id, campaign_id=sample.campaign_id,
            before=before, after=_label_of(sample) | {"upload_id": upload.id},
        )  # fmt: skip
    upload.error_code = "label_kept" if kept else None
    upload.error_message = "; ".join(kept)[:2000] or None


def _label_of(sample: Sample) -> dict[str, Any]:
    return {"target": sample.target, "label_definition": sample.label_definition}
