"""SQL of keys, users, sessions and attempts at passwords."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from service.database.models import ApiKey, Campaign, LoginAttempts, User, UserSession
from service.pagination import PageRequest


def add(session: Session, row: ApiKey | User | UserSession) -> None:
    session.add(row)
    session.flush()


def get_key(session: Session, key_id: int) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def get_key_for_update(session: Session, key_id: int) -> ApiKey | None:
    return session.get(ApiKey, key_id, with_for_update=True)


def keys_page(session: Session, request: PageRequest) -> Sequence[ApiKey]:
    statement = select(ApiKey).where(ApiKey.id > request.after).order_by(ApiKey.id)
    return session.scalars(statement.limit(request.limit + 1)).all()


def live_key(session: Session, token_hash: str) -> ApiKey | None:
    """The key, unless it was revoked or has expired."""
    lives = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp())
    statement = select(ApiKey).where(ApiKey.token_hash == token_hash, ApiKey.revoked_at.is_(None), lives)
    return session.scalars(statement).one_or_none()


def key_named(session: Session, name: str) -> ApiKey | None:
    """The newest key of that name that was not revoked."""
    statement = select(ApiKey).where(ApiKey.name == name, ApiKey.revoked_at.is_(None))
    return session.scalars(statement.order_by(ApiKey.id.desc()).limit(1)).one_or_none()


def successor(session: Session, key_id: int) -> ApiKey | None:
    return session.scalars(select(ApiKey).where(ApiKey.replaces_id == key_id)).one_or_none()


def note_use(session: Session, key_id: int, *, every: timedelta) -> None:
    """Write the last use, when the one that stands there is old enough."""
    statement = update(ApiKey).where(ApiKey.id == key_id, _older(ApiKey.last_used_at, every))
    session.execute(statement.values(last_used_at=func.clock_timestamp()))


def note_seen(session: Session, session_id: int, *, every: timedelta) -> None:
    statement = update(UserSession).where(UserSession.id == session_id, _older(UserSession.seen_at, every))
    session.execute(statement.values(seen_at=func.clock_timestamp()))


def _older(column: InstrumentedAttribute[Any], age: timedelta) -> ColumnElement[bool]:
    return or_(column.is_(None), column < func.clock_timestamp() - age)


def get_user(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id)


def get_user_for_update(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id, with_for_update=True)


def user_named(session: Session, name: str) -> User | None:
    return session.scalars(select(User).where(User.name == name.lower())).one_or_none()


def user_named_for_update(session: Session, name: str) -> User | None:
    return session.scalars(select(User).where(User.name == name.lower()).with_for_update()).one_or_none()


def user_of_identity(session: Session, issuer: str, subject: str) -> User | None:
    """Whom the provider's subject is here; the row is locked."""
    statement = select(User).where(User.issuer == issuer, User.subject == subject)
    return session.scalars(statement.with_for_update()).one_or_none()


def users_page(session: Session, request: PageRequest) -> Sequence[User]:
    statement = select(User).where(User.id > request.after).order_by(User.id)
    return session.scalars(statement.limit(request.limit + 1)).all()


def has_users(session: Session) -> bool:
    return bool(session.scalar(select(select(User.id).exists())))


def live_session(session: Session, token_hash: str, *, idle: timedelta) -> UserSession | None:
    """The session with its user: not ended, not expired, not idle for too long, of an active user."""
    now = func.clock_timestamp()
    statement = (
        select(UserSession)
        .join(User, User.id == UserSession.user_id)
        .where(
            UserSession.token_hash == token_hash,
            UserSession.ended_at.is_(None),
            UserSession.expires_at > now,
            UserSession.seen_at > now - idle,
            User.is_active,
        )
        .options(joinedload(UserSession.user))
    )
    return session.scalars(statement).one_or_none()


def open_sessions(session: Session, user_id: int) -> Sequence[UserSession]:
    """Sessions that were not ended and have not expired, the newest first."""
    statement = select(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.ended_at.is_(None),
        UserSession.expires_at > func.clock_timestamp(),
    )
    return session.scalars(statement.order_by(UserSession.id.desc())).all()


def end_session(session: Session, token_hash: str) -> None:
    statement = update(UserSession).where(
        UserSession.token_hash == token_hash, UserSession.ended_at.is_(None)
    )
    session.execute(statement.values(ended_at=func.clock_timestamp()))


def end_sessions(session: Session, user_id: int, *, but: int | None = None) -> None:
    """End every session of the user, `but` one."""
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if but is not None:
        statement = statement.where(UserSession.id != but)
    session.execute(statement.values(ended_at=func.clock_timestamp()))


def known_campaigns(session: Session, campaign_ids: Collection[int]) -> set[int]:
    """Those of the ids that are campaigns."""
    return set(session.scalars(select(Campaign.id).where(Campaign.id.in_(campaign_ids))))


def lock_attempts(session: Session, subject: str, now: datetime) -> LoginAttempts:
    """The row that counts the attempts of a subject, made when there is none."""
    made = insert(LoginAttempts).values(subject=subject, count=0, blocked_until=now)
    session.execute(made.on_conflict_do_nothing())
    statement = select(LoginAttempts).where(LoginAttempts.subject == subject).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def forget_attempts(session: Session, subject: str) -> None:
    session.execute(delete(LoginAttempts).where(LoginAttempts.subject == subject))


def prune_attempts(session: Session, *, before: datetime) -> None:
    old = select(LoginAttempts.id).where(LoginAttempts.tried_at < before).with_for_update(skip_locked=True)
    statement = delete(LoginAttempts).where(LoginAttempts.id.in_(old))
    session.execute(statement.execution_options(synchronize_session=False))
