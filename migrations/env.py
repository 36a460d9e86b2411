"""Alembic's environment: one transaction, an advisory lock, and short lock time-outs."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import create_engine, pool, text

from service.database import models  # noqa: F401 - fills the metadata
from service.database.base import Base

# Two migrators at once wait for each other instead of colliding ("crashscout" as a number).
ADVISORY_LOCK = 0x63726173


def database_url() -> str:
    url = context.config.get_alembic_option("sqlalchemy.url") or os.environ.get("CRASHSCOUT_DATABASE_URL")
    if not url:
        raise SystemExit("alembic: set CRASHSCOUT_DATABASE_URL to the database to migrate")
    return url


def run_migrations() -> None:
    engine = create_engine(database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
        with context.begin_transaction():
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            context.run_migrations()
    engine.dispose()


run_migrations()
