"""No upload that was received is lost; apart from `processing`, as its readers are much to load for a housekeeper."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any

from service.database.models import Upload
from service.lifecycles import UploadStatus
from service.logs import LogLine, logged_as
from service.queue.client import enqueue
from service.queue.messages import Message, TaskName
from service.uploads import repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def about(upload: Upload) -> dict[str, Any]:
    """What every log line of the upload carries, whoever writes it."""
    return {
        "upload_id": upload.id,
        "campaign_id": upload.campaign_id,
        "request_id": upload.request_id,
    }


def reap(session: Session, *, attempts: int) -> list[LogLine]:
    """Queue again what was read by a worker that died; give up after `attempts`.

    Returns:
        A line for the log on each upload that was touched.
    """
    lines = []
    for upload in repository.lapsed(session):
        upload.lease_expires_at = None
        if upload.attempt < attempts:
            upload.status = UploadStatus.QUEUED
        else:
            upload.status = UploadStatus.ACCEPTED if upload.sample_ids is not None else UploadStatus.FAILED
            upload.error_code = "worker_lost"
            upload.error_message = f"The worker was lost {upload.attempt} times while it read the file."
        lines.append(LogLine(f"upload {upload.id} lost its worker: {upload.status}", about(upload)))
    return lines


def overdue(session: Session, *, grace_s: float) -> list[Message]:
    """Messages of queued uploads that were sent a while ago; see `runs.service.overdue`."""
    waiting = repository.waiting(session, longer_than_s=grace_s)
    return [Message(TaskName.UPLOAD_READ, upload.id) for upload in waiting]


def resend(session: Session, *, grace_s: float, in_broker: Set[Message]) -> list[LogLine]:
    """Send again the overdue messages that no queue holds any more."""
    lines = []
    for upload in repository.waiting(session, longer_than_s=grace_s):
        message = Message(TaskName.UPLOAD_READ, upload.id)
        if message not in in_broker:
            with logged_as(**about(upload)):
                enqueue(session, message)
            text = f"upload {upload.id} waits and no queue holds it: sent again"
            lines.append(LogLine(text, about(upload)))
    return lines
