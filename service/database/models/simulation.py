"""Simulations that a worker runs itself."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base
from service.database.models.run import RunColumns, run_constraints


class SimulationRun(RunColumns, Base):
    """One recommended simulation on its way through a worker; the recommendation tells what became of it.

    `configuration` is frozen: oracle, its settings, kind of source and planned features. `seed` is the id of the
    recommendation: run once more, the same design gives the same label.
    """

    __tablename__ = "simulation_runs"
    __table_args__ = (
        *run_constraints(),
        Index(
            "uq_simulation_runs_open",
            "recommendation_id",
            unique=True,
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    recommendation_id: Mapped[int] = mapped_column(ForeignKey("recommendations.id"), index=True)
