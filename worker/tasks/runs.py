"""`runs.reap`: nothing that was asked for is lost."""

from __future__ import annotations

import logging

from service.database.engine import unit_of_work
from service.runs import service as runs
from service.settings import get_settings
from service.uploads import processing as uploads
from worker import process

logger = logging.getLogger(__name__)


def runs_reap(_unused: int) -> None:
    """Send lapsed and undelivered runs and uploads again; give up on those that keep dying."""
    with unit_of_work(process.sessions()) as session:
        attempts = get_settings().run_attempts
        touched = runs.reap(session, attempts=attempts) + uploads.reap(session, attempts=attempts)
    if touched:
        logger.warning("sent %d runs and uploads again", touched)
