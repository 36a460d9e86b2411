"""Who may come in: users with their sessions, keys of tools, and what was tried with wrong passwords."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.database.base import Base, Created, Moment, PrimaryKey, enum_column
from service.vocabulary import Role, Scope

_KNOWN_SCOPES = ", ".join(f"'{scope}'" for scope in Scope)
# Null: all campaigns, also those of the future. An empty list would be somebody who may see nothing.
_NAMES_CAMPAIGNS = "campaign_ids IS NULL OR cardinality(campaign_ids) > 0"


class User(Base):
    """A person. Signs in with a password, or as `subject` of an OIDC issuer, or with either."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("name"),
        UniqueConstraint("issuer", "subject"),
        CheckConstraint("name = lower(name)", name="name_in_lower_case"),
        CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="identity_whole"),
        CheckConstraint("password_hash IS NOT NULL OR issuer IS NOT NULL", name="can_sign_in"),
        CheckConstraint(_NAMES_CAMPAIGNS, name="limit_names_campaigns"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(100))
    # argon2id with its parameters and salt, in the PHC string format.
    password_hash: Mapped[str | None] = mapped_column(String(200))
    issuer: Mapped[str | None] = mapped_column(String(500))
    subject: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(enum_column(Role, "role"))
    campaign_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    signed_in_at: Mapped[Moment | None]

    @property
    def has_password(self) -> bool:
        return self.password_hash is not None


class UserSession(Base):
    """A browser that has signed in; only a keyed hash of its cookie is kept."""

    __tablename__ = "user_sessions"
    __table_args__ = (UniqueConstraint("token_hash"), Index(None, "user_id"))

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    seen_at: Mapped[Created]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]

    user: Mapped[User] = relationship(lazy="raise", viewonly=True)


class ApiKey(Base):
    """A key of a tool; only a keyed hash of it is kept."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("token_hash"),
        UniqueConstraint("replaces_id"),
        CheckConstraint("cardinality(scopes) > 0", name="has_scopes"),
        CheckConstraint(f"scopes <@ ARRAY[{_KNOWN_SCOPES}]::varchar[]", name="scopes_known"),
        CheckConstraint(_NAMES_CAMPAIGNS, name="limit_names_campaigns"),
    )

    id: Mapped[PrimaryKey]
    public_id: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(16)))
    campaign_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    # The key whose successor this one is.
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.id"))
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]


class LoginAttempts(Base):
    """Passwords tried since the last right one, by user name and by address, whether such a user exists or not."""

    __tablename__ = "login_attempts"
    __table_args__ = (UniqueConstraint("subject"), CheckConstraint("count >= 0", name="count_not_negative"))

    id: Mapped[PrimaryKey]
    # `user:` and the name that was typed, or `address:` and the network.
    subject: Mapped[str] = mapped_column(String(120))
    count: Mapped[int]
    tried_at: Mapped[Created]
    blocked_until: Mapped[Moment]
