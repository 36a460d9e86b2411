"""Credentials into principals: what each request passes through, so it is fast and remembers for a few seconds."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from service.accounts import repository
from service.accounts.principals import CONFIGURED_KEY, LOCAL, Authenticated, PrincipalInfo
from service.accounts.tokens import csrf_token_of, hash_of
from service.database.engine import unit_of_work
from service.database.models import ApiKey, UserSession
from service.errors import AuthenticationError
from service.settings import Environment, Settings
from service.vocabulary import Scope

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

# So long a revoked key or an ended session may still be taken by a process that has just verified it.
REMEMBERED_S = 5.0
MOST_REMEMBERED = 10_000
NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Credentials:
    """What a request showed.

    Attributes:
        kind: a key in the Authorization header, the cookie of a session, or nothing.
        token: the key or the cookie.
        is_near: nothing was shown, but the connection came over loopback and from no proxy.
    """

    kind: Literal["key", "session", "none"]
    token: str = ""
    is_near: bool = False


class Authenticator:
    """Verifies credentials against the database; one for each process.

    What was verified is remembered for `REMEMBERED_S` under the hash of the token, so the same caller costs one
    HMAC per request and one short transaction every few seconds. Wrong credentials are never remembered.
    """

    def __init__(self, sessions: sessionmaker[Session], settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._secret_key = settings.secret_key.get_secret_value()
        self._remembered: dict[str, tuple[float, Authenticated]] = {}

    def remembered(self, credentials: Credentials) -> Authenticated | None:
        """Who that is, when it was verified just now; waits for nothing."""
        until, found = self._remembered.get(self._hash(credentials), (0.0, None))
        return found if until > time.monotonic() else None

    def authenticate(self, credentials: Credentials) -> Authenticated:
        """Who that is, by the database.

        Raises:
            AuthenticationError: if it is nobody.
        """
        verify = {"key": self._by_key, "session": self._by_session, "none": self._by_nothing}
        found = verify[credentials.kind](credentials)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[self._hash(credentials)] = (time.monotonic() + REMEMBERED_S, found)
        return found

    def forget(self) -> None:
        """Verify everything again: an account has changed."""
        self._remembered.clear()

    def _hash(self, credentials: Credentials) -> str:
        if credentials.kind == "none":
            return f"none {credentials.is_near}"
        return f"{credentials.kind} {hash_of(self._secret_key, credentials.token)}"

    def _by_key(self, credentials: Credentials) -> Authenticated:
        configured = self._settings.api_key.get_secret_value()
        if configured and hmac.compare_digest(credentials.token.encode(), configured.encode()):
            return Authenticated(PrincipalInfo(CONFIGURED_KEY, id="key:configured"))
        with unit_of_work(self._sessions) as session:
            key = repository.live_key(session, hash_of(self._secret_key, credentials.token))
            if key is None:
                message = "The API key is wrong, has expired or was revoked."
                raise AuthenticationError(message, hint="Send it as `Authorization: Bearer <key>`.")
            if _is_old(key.last_used_at):
                repository.note_use(session, key.id, every=NOTED_EVERY)
            return Authenticated(_of_key(key))

    def _by_session(self, credentials: Credentials) -> Authenticated:
        idle = timedelta(hours=self._settings.session_idle_hours)
        with unit_of_work(self._sessions) as session:
            token_hash = hash_of(self._secret_key, credentials.token)
            row = repository.live_session(session, token_hash, idle=idle)
            if row is None:
                raise AuthenticationError("The session has ended.", hint="Sign in again.")
            if _is_old(row.seen_at):
                repository.note_seen(session, row.id, every=NOTED_EVERY)
            csrf_token = csrf_token_of(self._secret_key, credentials.token)
            return Authenticated(_of_session(row), csrf_token, row.id)

    def _by_nothing(self, credentials: Credentials) -> Authenticated:
        """On one's own machine, until there are users: the service is as closed as the machine's loopback."""
        if credentials.is_near and self._opens_locally():
            with unit_of_work(self._sessions) as session:
                if not repository.has_users(session):
                    return Authenticated(PrincipalInfo(LOCAL))
        message = "The API key is missing."
        raise AuthenticationError(message, hint="Send it as `Authorization: Bearer <key>`, or sign in.")

    def _opens_locally(self) -> bool:
        settings = self._settings
        others_may_come = settings.api_key.get_secret_value() or settings.oidc_issuer
        return settings.environment is Environment.DEVELOPMENT and not others_may_come


def _is_old(noted_at: datetime | None) -> bool:
    """Whether it is worth a statement, which then goes by the database's clock."""
    return noted_at is None or datetime.now(UTC) - noted_at > NOTED_EVERY


def _of_key(key: ApiKey) -> PrincipalInfo:
    scopes = frozenset(map(Scope, key.scopes))
    return PrincipalInfo(f"key:{key.name}", f"key:{key.id}", scopes, _limit(key.campaign_ids))


def _of_session(row: UserSession) -> PrincipalInfo:
    user = row.user
    return PrincipalInfo(user.name, f"user:{user.id}", user.role.scopes, _limit(user.campaign_ids))


def _limit(campaign_ids: list[int] | None) -> frozenset[int] | None:
    return None if campaign_ids is None else frozenset(campaign_ids)
