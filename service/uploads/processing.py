"""The worker's side of an upload: claim, read the original with no transaction open, store what was found."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from service.database.engine import unit_of_work
from service.errors import CrashscoutError
from service.ingest import CrashTest, OccupantLabel, label_occupants, read_crash_test
from service.ingest.report import as_document
from service.lifecycles import UploadStatus
from service.logs import logged_as
from service.runs.heartbeat import Heartbeat
from service.settings import Settings
from service.uploads import originals, repository, service
from service.uploads.reaping import about
from service.uploads.schemas import UploadRequest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from service.database.models import Upload

logger = logging.getLogger(__name__)
LONGEST_MESSAGE = 2000


def process(sessions: sessionmaker[Session], upload_id: int, settings: Settings) -> None:
    """Read a queued upload; whatever happens, its row says so.

    One that is not queued (read already, rejected, another worker's) is left alone: messages may arrive twice.
    """
    with unit_of_work(sessions) as session:
        upload = repository.claim(session, upload_id, lease_s=settings.run_lease_s)
    if upload is None:
        logger.info("upload %s is not queued: nothing to do", upload_id)
        return
    with logged_as(**about(upload)):
        _process(sessions, upload, settings)


def _process(sessions: sessionmaker[Session], upload: Upload, settings: Settings) -> None:
    logger.info("attempt %d begins", upload.attempt)
    try:
        with Heartbeat(partial(_extend, sessions, upload, settings.run_lease_s), name=f"upload {upload.id}"):
            report = read_original(upload, settings)
    except CrashscoutError as error:
        _end(sessions, upload, error.code, str(error))
    except Exception as error:
        _end(sessions, upload, "internal", f"unexpected {type(error).__name__}: {error}")
        raise
    else:
        _store(sessions, upload, report)


def _extend(sessions: sessionmaker[Session], upload: Upload, lease_s: int) -> None:
    with unit_of_work(sessions) as session:
        repository.extend_lease(session, upload, lease_s=lease_s)


def read_original(upload: Upload, settings: Settings) -> dict[str, Any]:
    """The report on the original: labels by the upload's definition, features, channels, quarantine."""
    assert upload.storage_key is not None
    said = UploadRequest.model_validate(upload.request)
    with originals.opened(settings, upload.storage_key, upload.filename) as path:
        test = read_crash_test(path, file_format=said.file_format, options=said.options())
    return report_of(test, label_occupants(test, definition=upload.label_definition))


def report_of(test: CrashTest, labels: list[OccupantLabel]) -> dict[str, Any]:
    """What the row keeps of a read file: the document of `crashscout rolc`, with platform and features."""
    document: dict[str, Any] = as_document(test, labels)
    for seat, label in zip(document["occupants"], labels, strict=True):
        seat["features"] = dict(label.features)
    storable: dict[str, Any] = _storable(document | {"platform": test.platform})
    return storable


def _storable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Text of a file may hold what no JSON column does: NUL, and halves of characters."""
    if isinstance(value, str):
        return value.replace("\x00", "�").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list | tuple) else value


def _store(sessions: sessionmaker[Session], upload: Upload, report: dict[str, Any]) -> None:
    """Parsed, or with its samples relabelled; accepted at once when that was asked for and nothing is wrong."""
    was_accepted = upload.sample_ids is not None
    status = UploadStatus.ACCEPTED if was_accepted else UploadStatus.PARSED
    with unit_of_work(sessions) as session:
        if not repository.finish(session, upload, status, report=report, error_code=None, error_message=None):
            return
        if was_accepted:
            service.relabel_samples(session, upload.id)
    if not was_accepted and upload.request.get("accept"):
        _accept(sessions, upload)


def _accept(sessions: sessionmaker[Session], upload: Upload) -> None:
    """Try it; what stands against it is for people to look at, and the upload waits for them."""
    try:
        with unit_of_work(sessions) as session:
            service.accept(session, upload.id, actor=upload.requested_by)
    except CrashscoutError as error:
        details = "; ".join(f"{item.pointer} {item.message}" for item in error.errors)
        message = f"not accepted at once: {error} {details}".strip()
        with unit_of_work(sessions) as session:
            row = repository.get_for_update(session, upload.id)
            if row is not None and row.status is UploadStatus.PARSED:
                row.error_code, row.error_message = error.code, message[:LONGEST_MESSAGE]


def _end(sessions: sessionmaker[Session], upload: Upload, code: str, message: str) -> None:
    """Failed, unless samples hang on it: these keep their labels, and the row says why."""
    was_accepted = upload.sample_ids is not None
    status = UploadStatus.ACCEPTED if was_accepted else UploadStatus.FAILED
    if was_accepted:
        message = f"not relabelled, the labels stay: {message}"
    with unit_of_work(sessions) as session:
        repository.finish(session, upload, status, error_code=code, error_message=message[:LONGEST_MESSAGE])
