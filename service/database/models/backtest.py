"""Backtests: strategies replayed on the labels that a campaign has."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base
from service.database.models.run import RunColumns, run_constraints


class Backtest(RunColumns, Base):
    """Which strategies would have beaten random picks; `metrics` is the report, its verdicts the evidence."""

    __tablename__ = "backtests"
    __table_args__ = run_constraints()

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
