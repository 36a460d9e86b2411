"""Claims into a user with a role, and a session for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from service.accounts import repository
from service.accounts.login import SignedIn, begin_session
from service.accounts.oidc.errors import NoAccessError
from service.accounts.schemas import UserName
from service.audit import repository as audit
from service.database.engine import unit_of_work
from service.database.models import User
from service.settings import Settings
from service.vocabulary import Role

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

# No user's name holds a colon.
ACTOR = "oidc:provider"
_NAME: TypeAdapter[str] = TypeAdapter(UserName)


def sign_in(
    sessions: sessionmaker[Session],
    settings: Settings,
    claims: Mapping[str, Any],
    *,
    address: str,
    user_agent: str,
) -> SignedIn:
    """Begin a session of the user whom the claims name, made or linked at the first time; the role follows the claims.

    Who has lost every role at the provider loses the sessions here that are still open, too.

    Raises:
        NoAccessError: if they may not come in, with whom to ask.
    """
    try:
        role = role_of(claims, settings)
        name = name_of(claims, settings)
    except NoAccessError:
        _shut_out(sessions, settings.oidc_issuer, claims["sub"])
        raise
    with unit_of_work(sessions) as session:
        user = repository.user_of_identity(session, settings.oidc_issuer, claims["sub"])
        user = user or _first_time(session, settings, name, claims["sub"], role)
        if not user.is_active:
            raise _refused(settings, f"{user.name} is deactivated here")
        _follow(session, user, role)
        return begin_session(session, settings, user, address=address, user_agent=user_agent)


def role_of(claims: Mapping[str, Any], settings: Settings) -> Role:
    """The highest of the roles that the claims give.

    Raises:
        NoAccessError: if they give none, or lack what every user must have.
    """
    for claim, value in settings.oidc_required_claims.items():
        if value not in _texts(claims, claim):
            raise _refused(settings, f"The account is none of those with the right {claim}")
    if settings.oidc_email_domains:
        domain = _verified_email(claims, settings).rpartition("@")[2]
        if domain not in settings.oidc_email_domains:
            raise _refused(settings, f"Addresses at {domain} are not let in")
    found = {settings.oidc_roles.get(text) for text in _texts(claims, settings.oidc_role_claim)}
    roles = [role for role in Role if role in found]
    if not roles:
        raise _refused(settings, "The account has no role in Crashscout")
    return roles[-1]


def name_of(claims: Mapping[str, Any], settings: Settings) -> str:
    """What the user is called here.

    Raises:
        NoAccessError: if the claim for it is missing or cannot be a name.
    """
    claim = settings.oidc_name_claim
    value = _verified_email(claims, settings) if claim == "email" else claims.get(claim)
    try:
        return _NAME.validate_python(value)
    except ValidationError as error:
        raise _refused(settings, f"The claim {claim} holds no name that a user can have here") from error


def _verified_email(claims: Mapping[str, Any], settings: Settings) -> str:
    """Lower case; one that nobody verified could be anybody's."""
    if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
        raise _refused(settings, "The provider does not say that the account's e-mail address is verified")
    return str(claims["email"]).lower()


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a claim, which may lie within others: `realm_access.roles`."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str)]


def _first_time(session: Session, settings: Settings, name: str, subject: str, role: Role) -> User:
    known = repository.user_named_for_update(session, name)
    if settings.oidc_users == "create":
        if known is not None:  # whoever chooses a name at the provider must not become its owner here
            raise _refused(settings, f"There is another user {name} here already")
        user = User(name=name, role=role, issuer=settings.oidc_issuer, subject=subject, created_by=ACTOR)
        repository.add(session, user)
        audit.record(
            session, ACTOR, "create", "user", user.id, campaign_id=None,
            after={"name": name, "role": role, "campaign_ids": None, "subject": subject},
        )  # fmt: skip
        return user
    if known is None or known.subject is not None:
        raise _refused(settings, f"There is no user {name} here who waits for this account")
    known.issuer, known.subject = settings.oidc_issuer, subject
    audit.record(session, ACTOR, "link", "user", known.id, campaign_id=None, after={"subject": subject})
    return known


def _follow(session: Session, user: User, role: Role) -> None:
    if user.role is not role:
        before, user.role = user.role, role
        audit.record(
            session, ACTOR, "update", "user", user.id, campaign_id=None, before={"role": before},
            after={"role": role},
        )  # fmt: skip


def _shut_out(sessions: sessionmaker[Session], issuer: str, subject: str) -> None:
    with unit_of_work(sessions) as session:
        user = repository.user_of_identity(session, issuer, subject)
        if user is not None:
            repository.end_sessions(session, user.id)
            audit.record(session, ACTOR, "end_sessions", "user", user.id, campaign_id=None)


def _refused(settings: Settings, reason: str) -> NoAccessError:
    return NoAccessError(f"{reason}.", hint=f"Ask {settings.oidc_contact}.")
