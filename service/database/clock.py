"""One clock for all processes: the database's. A worker whose own clock jumps fires nothing early or late."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def database_time(session: Session) -> datetime:
    """The present moment in UTC; unlike `now()` it goes on within a transaction."""
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment.astimezone(UTC)
