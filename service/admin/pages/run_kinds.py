"""How each kind of run is called, where it is shown, and how it is asked for again."""

from __future__ import annotations

from service.database.models import (
    AcquisitionRound,
    Backtest,
    ImportRun,
    Replay,
    SimulationRun,
    ValuationRun,
)
from service.runs.service import AnyRun

# Name for people, and the collection in addresses.
KINDS: dict[type[AnyRun], tuple[str, str]] = {
    ValuationRun: ("Valuation", "valuation-runs"),
    AcquisitionRound: ("Round", "acquisition-rounds"),
    Backtest: ("Backtest", "backtests"),
    Replay: ("Replay", "replays"),
    SimulationRun: ("Simulation", "simulation-runs"),
    ImportRun: ("Import", "imports"),
}


def name_of(run: AnyRun) -> str:
    """`Valuation 7`; a dry run is called one."""
    kind = "Dry run" if isinstance(run, AcquisitionRound) and run.dry_run else KINDS[type(run)][0]
    return f"{kind} {run.id}"


def key_of(run: AnyRun) -> str:
    """Unique on a page."""
    return f"{KINDS[type(run)][1]}-{run.id}"


def address_of(run: AnyRun) -> str:
    """Its own page, with its log."""
    return f"/{KINDS[type(run)][1]}/{run.id}"
