"""What lives once per worker process."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy.orm import Session, sessionmaker

from service.database.engine import make_engine, make_session_factory
from service.queue.client import QueueClient, send_after_commit
from service.queue.mailbox import Mailbox
from service.settings import get_settings


@lru_cache(maxsize=1)
def sessions() -> sessionmaker[Session]:
    """The session factory of this process; first used inside a task and so after any fork."""
    settings = get_settings()
    factory = make_session_factory(make_engine(settings.database_url, pool_size=4))
    send_after_commit(factory, QueueClient(settings.broker_url))
    return factory


@lru_cache(maxsize=1)
def mailbox() -> Mailbox:
    """Questions and answers of this process that live in the broker alone."""
    return Mailbox(get_settings().broker_url)
