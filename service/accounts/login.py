"""Signing in with a password: the same answer and the same time whether a user exists or not."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from service.accounts import passwords, repository
from service.accounts.tokens import hash_of, new_session_token
from service.audit import repository as audit
from service.database.clock import database_time
from service.database.engine import unit_of_work
from service.database.models import User, UserSession
from service.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

# Wrong passwords in a row before the waiting begins; behind one address may be a whole department.
FREE_PER_USER = 5
FREE_PER_ADDRESS = 50
LONGEST_WAIT_S = 900
FORGOTTEN_AFTER = timedelta(days=1)
LONGEST_NAME = 100


@dataclass(frozen=True)
class Attempt:
    """What somebody typed, and where."""

    name: str
    password: str
    address: str
    user_agent: str = ""


@dataclass(frozen=True)
class SignedIn:
    """A new session: `token` is for the cookie, `lifetime_s` how long it lives at most."""

    token: str
    lifetime_s: int


@dataclass(frozen=True)
class Refused:
    """Name or password were wrong; or, with `wait_s`, neither was looked at: too many attempts before."""

    wait_s: int = 0


def sign_in(sessions: sessionmaker[Session], settings: Settings, attempt: Attempt) -> SignedIn | Refused:
    """Check name and password, and begin a session.

    The attempt is counted, in a transaction of its own, before the password is looked at: those who try many at once,
    at several processes, gain nothing. After `FREE_PER_USER` wrong ones each must wait, 1 s, 2 s, 4 s to 15 min; a
    right password forgets them. Names are counted as they are typed, whether there is such a user or not.
    """
    name = attempt.name.strip().lower()[:LONGEST_NAME]
    wait_s = _count(sessions, name, attempt.address)
    if wait_s:
        return Refused(wait_s)
    with unit_of_work(sessions) as session:
        user = repository.user_named(session, name)
        known_hash = user.password_hash if user is not None and user.is_active else None
    if not passwords.fits(attempt.password[: passwords.LONGEST], known_hash) or user is None:
        return Refused()
    return _begin(sessions, settings, user, attempt)


def has_users(sessions: sessionmaker[Session]) -> bool:
    """Whether anybody could sign in."""
    with unit_of_work(sessions) as session:
        return repository.has_users(session)


def sign_out(session: Session, settings: Settings, token: str) -> None:
    """End the session of a cookie."""
    repository.end_session(session, hash_of(settings.secret_key.get_secret_value(), token))


def begin_session(
    session: Session, settings: Settings, user: User, *, address: str, user_agent: str
) -> SignedIn:
    """A session of a user who has shown who they are, by whatever means."""
    now, lifetime = database_time(session), timedelta(hours=settings.session_hours)
    token = new_session_token()
    row = UserSession(
        user_id=user.id,
        token_hash=hash_of(settings.secret_key.get_secret_value(), token),
        address=address[:64],
        user_agent=user_agent[:200],
        expires_at=now + lifetime,
    )
    repository.add(session, row)
    user.signed_in_at = now
    audit.record(session, user.name, "sign_in", "user", user.id, campaign_id=None, after={"address": address})
    return SignedIn(token, int(lifetime.total_seconds()))


def _begin(
    sessions: sessionmaker[Session], settings: Settings, user: User, attempt: Attempt
) -> SignedIn | Refused:
    with unit_of_work(sessions) as session:
        found = repository.get_user_for_update(session, user.id)
        if found is None or not found.is_active or found.password_hash != user.password_hash:
            return Refused()  # it changed while we looked at the password
        repository.forget_attempts(session, f"user:{user.name}")
        _take_back(session, _network_of(attempt.address))
        return begin_session(session, settings, found, address=attempt.address, user_agent=attempt.user_agent)


def _count(sessions: sessionmaker[Session], name: str, address: str) -> int:
    """Seconds to wait; 0: the attempt was counted and may go on."""
    # Always in this order, so that two attempts never wait for each other.
    subjects = {_network_of(address): FREE_PER_ADDRESS, f"user:{name}": FREE_PER_USER}
    with unit_of_work(sessions) as session:
        now = database_time(session)
        repository.prune_attempts(session, before=now - FORGOTTEN_AFTER)
        rows = [(repository.lock_attempts(session, subject, now), free) for subject, free in subjects.items()]
        now = database_time(session)  # the locks may have taken a while
        waits = [(row.blocked_until - now).total_seconds() for row, _ in rows]
        if max(waits) > 0:
            return int(max(waits)) + 1
        for row, free in rows:
            row.count += 1
            row.tried_at = now
            row.blocked_until = now + timedelta(seconds=wait_after(row.count, free=free))
    return 0


def wait_after(count: int, *, free: int) -> int:
    """Seconds until the next attempt: nothing for the free ones, then doubling from 1 to 900."""
    return 0 if count < free else min(LONGEST_WAIT_S, 2 ** min(count - free, 20))


def _take_back(session: Session, subject: str) -> None:
    """A right password counts for nothing at its address; what others tried there stays counted."""
    now = database_time(session)
    row = repository.lock_attempts(session, subject, now)
    row.count = max(0, row.count - 1)
    if row.count < FREE_PER_ADDRESS:
        row.blocked_until = now


def _network_of(address: str) -> str:
    """Whoever has one IPv6 address has 2**64 of them."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return f"address:{address[:100]}"
    return f"address:{ipaddress.ip_network((known, 64), strict=False) if known.version == 6 else known}"
