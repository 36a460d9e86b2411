"""What follows from events: rounds that were waiting for a task, and deliveries to webhooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from service.rounds import progress
from service.settings import get_settings
from service.webhooks import delivery
from worker import process


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
