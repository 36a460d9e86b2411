"""Originals that no upload names: what is left when the transaction of an upload failed after its file was stored.

A file is removed when it is older than `LONGEST_REQUEST` by its own time and had no row in two looks, between
which lies the pause of whoever looks: no request lasts so long, whatever the clocks of the machines say.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from service.database.engine import unit_of_work
from service.settings import Settings
from service.uploads import originals, repository

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

logger = logging.getLogger(__name__)
LONGEST_REQUEST = timedelta(days=1)


def sweep(
    sessions: sessionmaker[Session], settings: Settings, suspects: frozenset[str], *, now: datetime
) -> frozenset[str]:
    """Remove the orphans among the suspects of the look before.

    Args:
        sessions: one short transaction is opened.
        settings: they name the folder.
        suspects: what the last call returned; empty at first.
        now: the moment.

    Returns:
        Files that had no row this time: the suspects of the next call.

    Cost: a look at each file of the folder, and the keys of all uploads in memory, about 100 bytes each.
    """
    # Files first, rows afterwards: the row of a file that is listed may come in between, and is then seen.
    old = originals.stored_before(settings, now - LONGEST_REQUEST)
    if not old:
        return frozenset()
    with unit_of_work(sessions) as session:
        known = repository.storage_keys(session)
    orphans = frozenset(old) - known
    if len(orphans) > len(old) - len(orphans):
        logger.warning(
            "%d of %d originals have no upload: they are left alone, as they may belong to another database. "
            "Does CRASHSCOUT_FILES_DIR fit CRASHSCOUT_DATABASE_URL?", len(orphans), len(old),
        )  # fmt: skip
        return frozenset()
    doomed = orphans & suspects
    for name in doomed:
        old[name].unlink(missing_ok=True)
    if doomed:
        logger.warning(
            "removed %d originals that no upload names: %s", len(doomed), ", ".join(sorted(doomed))
        )
    return orphans - doomed
