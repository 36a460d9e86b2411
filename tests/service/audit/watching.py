"""Watches the database itself: which transaction changed which table, and whether it wrote an audit event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from service.database.base import Base
from tests.support import psycopg_url

# Not changes of anybody's: what the machinery keeps about itself. A new table belongs here only with such a reason.
MACHINERY = {
    "events": "the outbox: an event tells of a change that has its own audit event",
    "processes": "signs of life",
    "stored_answers": "what was answered already, for a request that is sent again",
    "login_attempts": "the count of wrong passwords",
    "run_attempts": "written by workers about themselves",
}
_TRAIL = "audit_events"
_FUNCTION = """
CREATE TABLE touched (transaction xid8, name text);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO touched VALUES (pg_current_xact_id(), TG_TABLE_NAME);
    RETURN NULL;
END $$
"""
_SILENT = """
SELECT DISTINCT name FROM touched AS change WHERE name <> 'audit_events' AND NOT EXISTS (
    SELECT FROM touched WHERE name = 'audit_events' AND transaction = change.transaction
)
"""


class Watch:
    """Of one database, whoever writes to it."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        connection.execute(_FUNCTION)
        for table in sorted(Base.metadata.tables.keys() - MACHINERY.keys()):
            connection.execute(
                f"CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION touch()"
            )

    def begin(self) -> None:
        """Forget what was seen so far."""
        self.connection.execute("TRUNCATE touched")

    def touched(self) -> set[str]:
        found = self.connection.execute("SELECT DISTINCT name FROM touched").fetchall()
        return {name for (name,) in found} - {_TRAIL}

    def silent(self) -> set[str]:
        """Tables that a transaction changed without an audit event."""
        return {name for (name,) in self.connection.execute(_SILENT).fetchall()}


@contextmanager
def watching(database_url: str) -> Iterator[Watch]:
    with psycopg.connect(psycopg_url(database_url), autocommit=True) as connection:
        yield Watch(connection)
