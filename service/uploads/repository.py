"""SQL of uploads; claims are compare-and-set on status and attempt, as with runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from service.database.campaign_limits import ALL_CAMPAIGNS
from service.database.models import Upload
from service.lifecycles import UploadStatus
from service.pagination import PageRequest

GONE = (UploadStatus.FAILED, UploadStatus.REJECTED)


def add(session: Session, upload: Upload) -> Upload:
    session.add(upload)
    session.flush()  # its message refers to the id
    return upload


def get(session: Session, upload_id: int) -> Upload | None:
    return session.get(Upload, upload_id)


def status_counts(session: Session, campaign_id: int) -> dict[UploadStatus, int]:
    """Uploads of a campaign by status; one without any is left out."""
    statement = (
        select(Upload.status, func.count()).where(Upload.campaign_id == campaign_id).group_by(Upload.status)
    )
    return dict(session.execute(statement).all())


def storage_keys(session: Session) -> set[str]:
    """Names of all originals that uploads refer to."""
    statement = select(Upload.storage_key).where(Upload.storage_key.is_not(None))
    return set(session.scalars(statement.execution_options(**ALL_CAMPAIGNS)))


def get_for_update(session: Session, upload_id: int) -> Upload | None:
    statement = select(Upload).where(Upload.id == upload_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def live_with_content(session: Session, campaign_id: int, sha256: str) -> Upload | None:
    """The upload of the same bytes that has neither failed nor been rejected."""
    statement = select(Upload).where(
        Upload.campaign_id == campaign_id, Upload.sha256 == sha256, Upload.status.not_in(GONE)
    )
    return session.scalars(statement).one_or_none()


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Upload]:
    statement = (
        select(Upload)
        .where(Upload.campaign_id == campaign_id, Upload.id > request.after)
        .order_by(Upload.id)
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()


def newest(
    session: Session, campaign_id: int, *, status: UploadStatus | None, offset: int, limit: int
) -> Sequence[Upload]:
    """Newest first, of one status or of all."""
    statement = select(Upload).where(Upload.campaign_id == campaign_id)
    if status is not None:
        statement = statement.where(Upload.status == status)
    return session.scalars(statement.order_by(Upload.id.desc()).offset(offset).limit(limit)).all()


def claim(session: Session, upload_id: int, *, lease_s: int) -> Upload | None:
    """Take a queued upload; None when it is not queued (any more)."""
    statement = (
        update(Upload)
        .where(Upload.id == upload_id, Upload.status == UploadStatus.QUEUED)
        .values(
            status=UploadStatus.RUNNING,
            attempt=Upload.attempt + 1,
            lease_expires_at=func.now() + timedelta(seconds=lease_s),
        )
        .returning(Upload)
    )
    return session.scalars(statement).one_or_none()


def extend_lease(session: Session, upload: Upload, *, lease_s: int) -> None:
    """The sign of life of our attempt."""
    session.execute(
        update(Upload)
        .where(
            Upload.id == upload.id, Upload.status == UploadStatus.RUNNING, Upload.attempt == upload.attempt
        )
        .values(lease_expires_at=func.now() + timedelta(seconds=lease_s))
    )


def finish(session: Session, upload: Upload, status: UploadStatus, **values: Any) -> bool:  # noqa: ANN401 - any column
    """End our attempt; False when the upload is no longer ours."""
    statement = (
        update(Upload)
        .where(
            Upload.id == upload.id, Upload.status == UploadStatus.RUNNING, Upload.attempt == upload.attempt
        )
        .values(status=status, lease_expires_at=None, **values)
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def lapsed(session: Session) -> Sequence[Upload]:
    """Running uploads whose worker was lost, locked against other reapers."""
    statement = (
        select(Upload)
        .where(Upload.status == UploadStatus.RUNNING, Upload.lease_expires_at < func.now())
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def waiting(session: Session, *, longer_than_s: float) -> Sequence[Upload]:
    """Queued uploads that may never have been delivered."""
    before = func.now() - timedelta(seconds=longer_than_s)
    return session.scalars(
        select(Upload).where(Upload.status == UploadStatus.QUEUED, Upload.queued_at < before)
    ).all()


def queue_again(
    session: Session, campaign_id: int, label_definition: str, *, request_id: str | None
) -> list[int]:
    """Queue every upload that was read and whose original is kept; their ids. Those that wait take the new one.

    The reading is then what the request `request_id` has asked for.
    """
    session.execute(
        update(Upload)
        .where(Upload.campaign_id == campaign_id, Upload.status == UploadStatus.QUEUED)
        .values(label_definition=label_definition)
    )
    statement = (
        update(Upload)
        .where(
            Upload.campaign_id == campaign_id,
            Upload.status.in_([UploadStatus.PARSED, UploadStatus.ACCEPTED]),
            Upload.storage_key.is_not(None),
        )
        .values(
            status=UploadStatus.QUEUED,
            label_definition=label_definition,
            attempt=0,
            request_id=request_id,
            queued_at=func.now(),
            error_code=None,
            error_message=None,
        )
        .returning(Upload.id)
    )
    return sorted(session.scalars(statement))


def count_without_original(session: Session, campaign_id: int) -> int:
    statement = select(func.count()).where(Upload.campaign_id == campaign_id, Upload.storage_key.is_(None))
    return session.scalars(statement).one()
