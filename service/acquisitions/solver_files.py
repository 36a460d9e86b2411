"""Folders in which solvers ran: input, output and log of each attempt, which may be gigabytes."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from service.acquisitions import repository
from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import SimulationRun
from service.settings import Settings
from service.uploads.originals import files_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

logger = logging.getLogger(__name__)
_PLACE = "oracle"
_ATTEMPT = re.compile(r"([0-9]{1,18})-([0-9]{1,9})")


class _Attempt(NamedTuple):
    recommendation_id: int
    run_id: int
    attempt: int


def folder_of(settings: Settings, run: SimulationRun) -> Path:
    """Where this attempt at the run has its files; each attempt begins with an empty folder."""
    place = files_folder(settings) / _PLACE / str(run.recommendation_id)
    return place.absolute() / f"{run.id}-{run.attempt}"


def prune(sessions: sessionmaker[Session], settings: Settings) -> int:
    """Delete the folders of runs that ended `solver_file_retention_days` ago; none when that is not set.

    A folder that no attempt of the database has made is left alone. When most are such, all are: the numbers of
    another database's runs may be those of ours.

    Returns:
        How many folders were deleted; one that cannot be is told in the log, and tried again the next time.

    Cost: a look at each folder, one statement when there are any, and as long as the disk takes.
    """
    if settings.solver_file_retention_days is None:
        return 0
    folders = dict(_folders(files_folder(settings) / _PLACE))
    if not folders:
        return 0
    keep = timedelta(days=settings.solver_file_retention_days)
    with unit_of_work(sessions) as session:
        moment = database_time(session) - keep
        runs = {(run.recommendation_id, run.id): run for run in repository.simulations(session)}
    ours = {
        folder: run
        for folder, of in folders.items()
        if (run := runs.get(of[:2])) and of.attempt <= run.attempt
    }
    if 2 * len(ours) < len(folders):
        logger.warning(
            "%d of %d folders of solvers belong to no simulation: all are left alone. "
            "Does CRASHSCOUT_FILES_DIR fit CRASHSCOUT_DATABASE_URL?", len(folders) - len(ours), len(folders),
        )  # fmt: skip
        return 0
    doomed = [folder for folder, run in ours.items() if run.finished_at and run.finished_at < moment]
    return sum(map(_delete, doomed))


def _folders(place: Path) -> Iterator[tuple[Path, _Attempt]]:
    """Folders of attempts; what has another name, or is a link, was put there by somebody else."""
    for path in place.glob("*/*"):
        found = _ATTEMPT.fullmatch(path.name)
        if found and path.parent.name.isdecimal() and path.is_dir() and not path.is_symlink():
            yield path, _Attempt(int(path.parent.name), int(found[1]), int(found[2]))


def _delete(folder: Path) -> bool:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        logger.warning("the folder of a solver cannot be deleted: %s", error)
        return False
    logger.info("deleted the folder of a solver: %s", folder)
    return True
