"""Imports out of a public database: runs that fetch files and make them uploads."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base
from service.database.models.run import RunColumns, run_constraints


class ImportRun(RunColumns, Base):
    """A range of tests of one database; `metrics` counts what became of each, `data_hash` names the files."""

    __tablename__ = "import_runs"
    __table_args__ = run_constraints()

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
