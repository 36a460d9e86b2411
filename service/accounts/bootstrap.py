"""What comes before any account: the secret of an installation, the ready key of one's own machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.accounts import repository, service
from service.accounts.schemas import ApiKeyCreate
from service.accounts.tokens import hash_of, stored_secret_key, write_private
from service.database.engine import make_engine, make_session_factory, unit_of_work
from service.settings import Settings
from service.vocabulary import Scope

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

READY_KEY_FILE = "admin-key"
MACHINE = "machine"


@dataclass(frozen=True)
class ReadyKey:
    """A key with every scope; `is_new`: it was made just now, so whoever waits may be told of it."""

    key: str
    path: Path
    is_new: bool


def secret_key_of(settings: Settings, folder: Path) -> str:
    """The configured secret; else that of the data folder, made at the first call."""
    return settings.secret_key.get_secret_value() or stored_secret_key(folder)


@contextmanager
def one_transaction(database_url: str) -> Iterator[Session]:
    """A unit of work on a connection of its own."""
    engine = make_engine(database_url, pool_size=1)
    try:
        with unit_of_work(make_session_factory(engine)) as session:
            yield session
    finally:
        engine.dispose()


def ready_key(database_url: str, folder: Path, secret_key: str) -> ReadyKey:
    """The admin key of the data folder, in a file that only its owner can read; a new one where it does not work."""
    path = folder / READY_KEY_FILE
    with one_transaction(database_url) as session:
        present = path.read_text().strip() if path.exists() else ""
        if present and repository.live_key(session, hash_of(secret_key, present)) is not None:
            return ReadyKey(present, path, is_new=False)
        request = ApiKeyCreate(name="ready", scopes=frozenset(Scope))
        _, key = service.create_key(session, request, actor=MACHINE, secret_key=secret_key)
        write_private(path, key)
        return ReadyKey(key, path, is_new=True)
