"""The revision of the database that this code works with, without Alembic: every probe of readiness asks."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

# The newest of migrations/versions; a test compares them.
NEWEST = "0020"


def is_current(connection: Connection) -> bool:
    """Whether the database stands at `NEWEST`: not before it, and not after."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    return connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [NEWEST]
