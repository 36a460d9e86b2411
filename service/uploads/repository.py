"""SQL of uploads."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.models import Upload
from service.pagination import PageRequest


def add(session: Session, upload: Upload) -> Upload:
    session.add(upload)
    session.flush()  # its samples refer to the id
    return upload


def get(session: Session, upload_id: int) -> Upload | None:
    return session.get(Upload, upload_id)


def page(session: Session, campaign_id: int, request: PageRequest) -> Sequence[Upload]:
    statement = (
        select(Upload)
        .where(Upload.campaign_id == campaign_id, Upload.id > request.after)
        .order_by(Upload.id)
        .limit(request.limit + 1)
    )
    return session.scalars(statement).all()
