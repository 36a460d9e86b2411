"""SQL behind stored answers and versions of rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal_column, select
from sqlalchemy.orm import Session

from service.database.models import (
    AcquisitionRound,
    Backtest,
    Campaign,
    CampaignRound,
    ImportRun,
    Injection,
    Recommendation,
    Replay,
    Sample,
    Schedule,
    SimulationRun,
    StoredAnswer,
    Surrogate,
    Upload,
    User,
    ValuationRun,
    Webhook,
)

# Nouns of addresses whose rows have a version; a new noun that can be changed is named here.
TABLE_OF_NOUN: dict[str, Any] = {
    "acquisition-rounds": AcquisitionRound,
    "backtests": Backtest,
    "campaigns": Campaign,
    "imports": ImportRun,
    "recommendations": Recommendation,
    "replays": Replay,
    "rounds": CampaignRound,
    "samples": Sample,
    "schedules": Schedule,
    "simulation-runs": SimulationRun,
    "surrogates": Surrogate,
    "uploads": Upload,
    "users": User,
    "valuation-runs": ValuationRun,
    "webhooks": Webhook,
    "injections": Injection,
}
# Of the advisory locks: other locks of the application hash with another seed, or not at all.
_LOCK_SEED = 4_801


def try_lock(session: Session, principal_id: str, key: str) -> bool:
    """Hold the key until the transaction ends; False when another transaction holds it."""
    name = func.hashtextextended(f"{principal_id}\x1f{key}", _LOCK_SEED)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(name))))


def find_answer(session: Session, principal_id: str, key: str, *, keep: timedelta) -> StoredAnswer | None:
    """The answer that was given within `keep`; an older one is deleted and counts no more."""
    ours = (StoredAnswer.principal_id == principal_id, StoredAnswer.key == key)
    session.execute(delete(StoredAnswer).where(*ours, StoredAnswer.created_at < func.now() - keep))
    return session.scalar(select(StoredAnswer).where(*ours))


def add_answer(session: Session, answer: StoredAnswer) -> None:
    session.add(answer)


def prune_answers(session: Session, *, now: datetime, keep: timedelta) -> None:
    session.execute(delete(StoredAnswer).where(StoredAnswer.created_at < now - keep))


def row_version(session: Session, noun: str, row_id: int, *, lock: bool = False) -> str | None:
    """The transaction that wrote the row last: another one after each change; None when there is no row.

    `lock` keeps others from changing the row until the transaction ends.
    """
    table = TABLE_OF_NOUN[noun]
    version: ColumnElement[str] = literal_column("xmin::text")
    statement = select(version).select_from(table).where(table.id == row_id)
    return session.scalar(statement.with_for_update(key_share=True) if lock else statement)
