"""Rules of keys and users: who may have one, what changes, what ends with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from service.accounts import passwords, repository
from service.accounts.schemas import ApiKeyCreate, PasswordChange, Rotation, UserCreate, UserUpdate
from service.accounts.tokens import hash_of, new_api_key
from service.audit import repository as audit
from service.database.clock import database_time
from service.database.models import ApiKey, User, UserSession
from service.errors import ConflictError, FieldError, InputError, NotFoundError
from service.pagination import PageRequest, cut_page

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Row = TypeVar("Row", ApiKey, User)


def create_key(session: Session, request: ApiKeyCreate, *, actor: str, secret_key: str) -> tuple[ApiKey, str]:
    """A key and the text to send it by, which nobody can get again.

    Raises:
        InputError: if it would be expired already, or its campaigns do not exist.
    """
    _check_campaigns(session, request.campaign_ids)
    if request.expires_at is not None and request.expires_at <= database_time(session):
        errors = [FieldError("/expires_at", "is over already")]
        raise InputError("The key would never be valid.", errors=errors)
    return _add_key(
        session,
        secret_key,
        name=request.name,
        scopes=sorted(request.scopes),
        campaign_ids=_as_list(request.campaign_ids),
        expires_at=request.expires_at,
        created_by=actor,
    )


def _add_key(session: Session, secret_key: str, **columns: Any) -> tuple[ApiKey, str]:  # noqa: ANN401
    public_id, token = new_api_key()
    key = ApiKey(public_id=public_id, token_hash=hash_of(secret_key, token), **columns)
    repository.add(session, key)
    told = {name: columns[name] for name in ("name", "scopes", "campaign_ids")}
    _audit_key(session, key, "create", columns["created_by"], after=told)
    return key, token


def get_key(session: Session, key_id: int) -> ApiKey:
    """The key.

    Raises:
        NotFoundError: if there is none with this id.
    """
    return _found(repository.get_key(session, key_id), f"There is no API key {key_id}.")


def keys_page(session: Session, request: PageRequest) -> tuple[Sequence[ApiKey], bool]:
    return cut_page(repository.keys_page(session, request), request.limit)


def revoke_key(session: Session, key_id: int, *, actor: str) -> ApiKey:
    """Refuse it from now on; a second time changes nothing.

    Raises:
        NotFoundError: if there is none with this id.
    """
    key = _found(repository.get_key_for_update(session, key_id), f"There is no API key {key_id}.")
    if key.revoked_at is None:
        key.revoked_at = database_time(session)
        _audit_key(session, key, "revoke", actor)
    return key


def rotate_key(
    session: Session, key_id: int, request: Rotation, *, actor: str, secret_key: str
) -> tuple[ApiKey, str]:
    """A successor that may do the same for as long; the old key works on for the overlap.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if the key is no longer valid, or has a successor.
    """
    key = _found(repository.get_key_for_update(session, key_id), f"There is no API key {key_id}.")
    now = database_time(session)
    _check_rotatable(session, key, now)
    lifetime = None if key.expires_at is None else key.expires_at - key.created_at
    following = _add_key(
        session,
        secret_key,
        name=key.name,
        scopes=key.scopes,
        campaign_ids=key.campaign_ids,
        expires_at=None if lifetime is None else now + lifetime,
        created_by=actor,
        replaces_id=key.id,
    )
    ends_at = now + timedelta(hours=request.overlap_hours)
    key.expires_at = ends_at if key.expires_at is None else min(key.expires_at, ends_at)
    _audit_key(session, key, "rotate", actor, after={"expires_at": key.expires_at.isoformat()})
    return following


def _check_rotatable(session: Session, key: ApiKey, now: datetime) -> None:
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise ConflictError(f"API key {key.id} is no longer valid.", hint="Create a new one.")
    following = repository.successor(session, key.id)
    if following is not None:
        hint = f"Rotate its successor, API key {following.id}."
        raise ConflictError(f"API key {key.id} was rotated already.", hint=hint)


def create_user(session: Session, request: UserCreate, *, actor: str) -> User:
    """A user who signs in with a password.

    Raises:
        InputError: if the password is too weak, or the campaigns do not exist.
        ConflictError: if there is a user of that name.
    """
    password = request.password.get_secret_value()
    passwords.check_new(password, name=request.name)
    _check_campaigns(session, request.campaign_ids)
    if repository.user_named(session, request.name) is not None:
        raise ConflictError(f"There is a user {request.name} already.", hint="Choose another name.")
    user = User(
        name=request.name,
        password_hash=passwords.hash_password(password),
        role=request.role,
        campaign_ids=_as_list(request.campaign_ids),
        created_by=actor,
    )
    repository.add(session, user)
    after = {"name": user.name, "role": user.role, "campaign_ids": user.campaign_ids}
    _audit_user(session, user, "create", actor, after=after)
    return user


def get_user(session: Session, user_id: int) -> User:
    """The user.

    Raises:
        NotFoundError: if there is none with this id.
    """
    return _found(repository.get_user(session, user_id), f"There is no user {user_id}.")


def users_page(session: Session, request: PageRequest) -> tuple[Sequence[User], bool]:
    return cut_page(repository.users_page(session, request), request.limit)


def update_user(session: Session, user_id: int, request: UserUpdate, *, actor: str) -> User:
    """Change what is given; a new password and deactivation end the user's sessions.

    Raises:
        NotFoundError: if there is none with this id.
        ConflictError: if administrators would take their own rights, as nobody might be left who can give them back.
        InputError: if the password is too weak, or the campaigns do not exist.
    """
    user = _found(repository.get_user_for_update(session, user_id), f"There is no user {user_id}.")
    _check_not_self(user, request, actor)
    changes = request.model_dump(exclude_unset=True, exclude={"password"})
    changes = {name: value for name, value in changes.items() if value is not None or name == "campaign_ids"}
    if "campaign_ids" in changes:
        _check_campaigns(session, request.campaign_ids)
        changes["campaign_ids"] = _as_list(request.campaign_ids)
    before = {name: getattr(user, name) for name in changes}
    for name, value in changes.items():
        setattr(user, name, value)
    if request.password is not None:
        _set_password(user, request.password.get_secret_value())
        changes |= {"password": "changed"}
    if request.password is not None or request.is_active is False:
        repository.end_sessions(session, user.id)
    _audit_user(session, user, "update", actor, before=before, after=changes)
    return user


def _check_not_self(user: User, request: UserUpdate, actor: str) -> None:
    loses = request.is_active is False or (request.role is not None and request.role is not user.role)
    if user.name == actor and loses:
        message = "Nobody changes their own role or deactivates themselves."
        raise ConflictError(message, hint="Another administrator can, or `crashscout admin` on the machine.")


def change_own_password(
    session: Session, user_id: int, request: PasswordChange, *, session_id: int | None
) -> None:
    """A new password; every other session of the user ends.

    Raises:
        InputError: if the old one is wrong, or the new one too weak.
    """
    user = _found(repository.get_user_for_update(session, user_id), f"There is no user {user_id}.")
    if not passwords.fits(request.old_password.get_secret_value(), user.password_hash):
        errors = [FieldError("/old_password", "is not the present password")]
        raise InputError("The password was not changed.", errors=errors)
    _set_password(user, request.password.get_secret_value())
    repository.end_sessions(session, user.id, but=session_id)
    _audit_user(session, user, "change_password", user.name)


def reset_password(session: Session, name: str, password: str, *, actor: str) -> User:
    """A new password by somebody who is on the machine; every session of the user ends.

    Raises:
        NotFoundError: if there is no user of that name.
        InputError: if the password is too weak.
    """
    user = _found(repository.user_named(session, name), f"There is no user {name}.")
    _set_password(user, password)
    user.is_active = True
    repository.end_sessions(session, user.id)
    repository.forget_attempts(session, f"user:{user.name}")
    _audit_user(session, user, "reset_password", actor)
    return user


def _set_password(user: User, password: str) -> None:
    passwords.check_new(password, name=user.name)
    user.password_hash = passwords.hash_password(password)


def open_sessions(session: Session, user_id: int) -> Sequence[UserSession]:
    """Browsers that are signed in, the newest first."""
    return repository.open_sessions(session, user_id)


def end_sessions(session: Session, user_id: int, *, actor: str) -> None:
    """Sign the user out everywhere.

    Raises:
        NotFoundError: if there is none with this id.
    """
    user = get_user(session, user_id)
    repository.end_sessions(session, user.id)
    _audit_user(session, user, "end_sessions", actor)


def _check_campaigns(session: Session, campaign_ids: frozenset[int] | None) -> None:
    wanted = campaign_ids or frozenset()
    missing = wanted - repository.known_campaigns(session, wanted)
    if missing:
        names = ", ".join(map(str, sorted(missing)))
        errors = [FieldError("/campaign_ids", f"names what is no campaign: {names}")]
        raise InputError("The limit to campaigns does not fit.", errors=errors)


def _as_list(campaign_ids: frozenset[int] | None) -> list[int] | None:
    return None if campaign_ids is None else sorted(campaign_ids)


def _found(row: Row | None, message: str) -> Row:
    if row is None:
        raise NotFoundError(message)
    return row


def _audit_key(session: Session, key: ApiKey, action: str, actor: str, **told: Any) -> None:  # noqa: ANN401
    audit.record(session, actor, action, "api_key", key.id, campaign_id=None, **told)


def _audit_user(session: Session, user: User, action: str, actor: str, **told: Any) -> None:  # noqa: ANN401
    audit.record(session, actor, action, "user", user.id, campaign_id=None, **told)
