"""Folders in which solvers ran: input, output and log of each attempt, which may be gigabytes."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from service.acquisitions import repository
from service.database.engine import unit_of_work
from service.database.models import SimulationRun
from service.settings import Settings
from service.uploads.originals import files_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

logger = logging.getLogger(__name__)
_PLACE = "oracle"


def folder_of(settings: Settings, run: SimulationRun) -> Path:
    """Where this attempt at the run has its files; each attempt begins with an empty folder."""
    place = files_folder(settings) / _PLACE / str(run.recommendation_id)
    return place.absolute() / f"{run.id}-{run.attempt}"


def prune(sessions: sessionmaker[Session], settings: Settings, *, now: datetime) -> int:
    """Delete the folders of runs that ended `solver_file_retention_days` ago; none when that is not set.

    A folder whose run the database does not know is left alone: it may belong to another one.

    Returns:
        How many folders were deleted.

    Raises:
        OSError: if a folder cannot be looked through or deleted.

    Cost: a look at each folder, and one statement when there are any.
    """
    if settings.solver_file_retention_days is None:
        return 0
    folders = _folders(files_folder(settings) / _PLACE)
    if not folders:
        return 0
    moment = now - timedelta(days=settings.solver_file_retention_days)
    with unit_of_work(sessions) as session:
        ended = repository.simulations_ended_before(session, moment)
    doomed = [folder for folder, run_id in folders.items() if run_id in ended]
    for folder in doomed:
        shutil.rmtree(folder)
    if doomed:
        logger.info("deleted %d folders of solvers", len(doomed))
    return len(doomed)


def _folders(place: Path) -> dict[Path, int]:
    """Folders of attempts with the ids of their runs."""
    found = {path: path.name.partition("-")[0] for path in place.glob("*/*-*")}
    return {path: int(run_id) for path, run_id in found.items() if run_id.isdecimal() and path.is_dir()}
