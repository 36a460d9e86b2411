"""From a crash-test file to labelled samples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from service.audit import repository as audit
from service.campaigns.schemas import Feature
from service.database.models import Campaign, Sample, Upload
from service.errors import FieldError, InputError, NotFoundError
from service.ingest import CrashTest, OccupantLabel, label_occupants, read_crash_test
from service.ingest.report import as_document
from service.pagination import PageRequest, cut_page
from service.samples import service as samples
from service.samples.schemas import SampleCreate
from service.samples.validation import parse_sample
from service.uploads import repository
from service.uploads.schemas import Occupants
from service.vocabulary import FeatureKind, Split

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_CHUNK = 2**20


@dataclass(frozen=True)
class UploadRequest:
    """The file with what it cannot say itself: source, split, features that the campaign needs besides."""

    filename: str
    content: BinaryIO
    source: str
    split: Split
    occupants: Occupants
    features: Mapping[str, Any]


def create(
    session: Session, campaign: Campaign, request: UploadRequest, *, actor: str
) -> tuple[Upload, list[Sample]]:
    """Read the file, label its occupants, store them as samples of the campaign.

    Raises:
        FileFormatError, TooLargeError: if the file cannot be read, saying why.
        InputError: if there is no label, or a feature of the campaign is neither in the file nor given.
        ConflictError: if the test is in the campaign already.
    """
    with TemporaryDirectory(prefix="crashscout-upload-") as folder:
        path = Path(folder) / _safe_name(request.filename)
        sha256 = _save(request.content, path)
        test = read_crash_test(path)
        labels = label_occupants(test)
        size = path.stat().st_size
    upload = Upload(
        campaign_id=campaign.id,
        filename=_shown_name(request.filename),
        sha256=sha256,
        size_bytes=size,
        report=as_document(test, labels),
    )
    repository.add(session, upload)
    created = [
        samples.create(session, campaign, document, actor=actor, upload_id=upload.id)
        for document in _documents(campaign, test, labels, request)
    ]
    audit.record(
        session, actor, "create", "upload", upload.id, campaign_id=campaign.id, after={"sha256": sha256}
    )
    return upload, created


def _shown_name(given: str) -> str:
    """The name as people know it, without folders and without what no text column holds."""
    name = PurePosixPath(given.replace("\\", "/")).name
    return "".join(char for char in name if char.isprintable())[:255]


def _safe_name(given: str) -> str:
    """A name for our own folder: the reader names the file in its complaints."""
    return re.sub(r"[^A-Za-z0-9._ -]", "_", _shown_name(given))[-100:].lstrip(".") or "upload"


def _save(content: BinaryIO, path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _documents(
    campaign: Campaign, test: CrashTest, labels: Sequence[OccupantLabel], request: UploadRequest
) -> list[SampleCreate]:
    wanted = [
        label for label in labels if request.occupants is Occupants.ALL or label.role == Occupants.DRIVER
    ]
    usable = [label for label in wanted if label.rolc_g is not None]
    if not usable:
        errors = [FieldError(f"/occupants/{label.role}", ", ".join(label.flags)) for label in wanted]
        hint = "`crashscout rolc` shows the channels and flags of every occupant."
        raise InputError("No occupant that was asked for has a label.", hint=hint, errors=errors)
    return [_document(campaign, test, label, request) for label in usable]


def _document(
    campaign: Campaign, test: CrashTest, label: OccupantLabel, request: UploadRequest
) -> SampleCreate:
    schema = samples.schema_of(campaign).features
    known = {name: _as_kind(label.features.get(name), feature) for name, feature in schema.items()}
    document = {
        "source": request.source,
        "planned_features": {**known, **request.features},
        "target": label.rolc_g,
        "label_definition": label.label_definition,
        "label_details": {
            "t1_ms": label.t1_ms,
            "t2_ms": label.t2_ms,
            "olc_g": label.olc_g,
            "channels": list(label.channels),
            "flags": list(label.flags),
        },
        "external_id": f"{test.format}-{test.test_number}-{label.role}",
        "split": request.split,
        "group": test.platform,
        "provenance": {
            "file": _shown_name(request.filename),
            "format": test.format,
            "test_number": test.test_number,
        },
    }
    parsed = parse_sample(document)
    if not isinstance(parsed, SampleCreate):
        raise InputError("The form does not fit the campaign.", errors=parsed)
    return parsed


def _as_kind(value: float | str | None, feature: Feature) -> Any:  # noqa: ANN401 - any feature value
    """Files know numbers and texts only: 1.0 becomes true where the schema says boolean."""
    if feature.kind is FeatureKind.BOOLEAN and isinstance(value, float):
        return bool(value)
    return value


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
