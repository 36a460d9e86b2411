"""Bring a database to a revision, from code: used by `crashscout migrate`, embedded mode and tests."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

from service.errors import UnavailableError


def alembic_config(database_url: str) -> Config:
    """The configuration that finds the migrations beside the installed package."""
    config = Config()
    config.set_main_option("script_location", "migrations:.")
    # Alembic interpolates %, which escaped socket paths contain.
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Apply the migrations up to `revision`; nothing happens when the database is there already.

    Raises:
        UnavailableError: if the database does not answer or does not let us in.
    """
    try:
        command.upgrade(alembic_config(database_url), revision)
    except OperationalError as error:
        cause = " ".join(str(error.orig).split())
        hint = "Start it, or correct CRASHSCOUT_DATABASE_URL."
        raise UnavailableError(f"The database cannot be used: {cause.rstrip('.?')}.", hint=hint) from error


def downgrade(database_url: str, revision: str = "base") -> None:
    """Take migrations back down to `revision`."""
    command.downgrade(alembic_config(database_url), revision)
