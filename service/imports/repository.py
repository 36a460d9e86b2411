"""SQL of imports."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.models import ImportRun
from service.lifecycles import RunStatus


def add(session: Session, run: ImportRun) -> ImportRun:
    session.add(run)
    session.flush()  # its message refers to the id
    return run


def get(session: Session, run_id: int) -> ImportRun | None:
    return session.get(ImportRun, run_id)


def get_for_update(session: Session, run_id: int) -> ImportRun | None:
    statement = select(ImportRun).where(ImportRun.id == run_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def under_way(session: Session, campaign_id: int) -> ImportRun | None:
    """The import of the campaign that has not ended yet."""
    statement = select(ImportRun).where(
        ImportRun.campaign_id == campaign_id,
        ImportRun.status.in_([status for status in RunStatus if not status.is_terminal]),
    )
    return session.scalars(statement.order_by(ImportRun.id).limit(1)).one_or_none()
