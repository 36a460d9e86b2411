"""`clock.tick`: what is due by the clock; `webhook.deliver`: one attempt of a delivery."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

from service.database.engine import unit_of_work
from service.events import service as events
from service.rounds import progress
from service.schedules import firing
from service.settings import get_settings
from service.webhooks import delivery
from worker import process

logger = logging.getLogger(__name__)


def clock_tick(_unused: int) -> None:
    """Fire schedules, take rounds on, hand events to webhooks, delete what is old; idempotent as a whole."""
    sessions = process.sessions()
    fired = firing.fire_due(sessions)
    steps = progress.advance_open(sessions)
    delivery.dispatch(sessions)
    _prune()
    if fired or steps:
        logger.info("fired %d schedules, made %d steps of rounds", fired, steps)


def _prune() -> None:
    now, keep_days = datetime.now(UTC), get_settings().event_retention_days
    with unit_of_work(process.sessions()) as session:
        events.prune(session, now=now, keep_days=keep_days)
        delivery.prune(session, now=now, keep_days=keep_days)


def webhook_deliver(delivery_id: int) -> None:
    """Send one delivery; a message that comes twice finds nothing due."""
    delivery.deliver(process.sessions(), delivery_id, get_settings())


def then_rounds(task: Callable[[int], None]) -> Callable[[int], None]:
    """The task, and after it whatever rounds were waiting for its end: they need not wait for the next tick."""

    @wraps(task)
    def followed(row_id: int) -> None:
        task(row_id)
        progress.advance_open(process.sessions())

    return followed
