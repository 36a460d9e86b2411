"""Users, keys and the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from service.admin.contexts.base import Context, Frame
from service.vocabulary import Role, Scope


@dataclass(frozen=True)
class UserLine:
    """A user; `campaigns` says which exist for them, `is_self`: who looks, `provider`: host of their OIDC issuer."""

    id: int
    name: str
    role: Role
    campaigns: str
    campaign_ids: str
    is_active: bool
    is_self: bool
    has_password: bool
    provider: str | None
    signed_in_at: datetime | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class UsersContext(Context):
    """The users of the service.

    Attributes:
        frame: the layout's needs.
        users: oldest first.
        roles: every role with what it allows, in words.
        typed: what a refused form held, without the password.
        next_url: the next page, None on the last one.
    """

    template: ClassVar[str] = "users.html"
    frame: Frame
    users: Sequence[UserLine]
    roles: Mapping[str, str]
    typed: Mapping[str, str]
    next_url: str | None


@dataclass(frozen=True)
class KeyLine:
    """A key of a tool, without the key; `state` is active, expired or revoked."""

    id: int
    public_id: str
    name: str
    scopes: Sequence[Scope]
    campaigns: str
    state: str
    is_valid: bool
    replaces: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class KeysContext(Context):
    """The keys of tools.

    Attributes:
        frame: the layout's needs.
        keys: oldest first.
        scopes: every scope with what it allows, in words.
        typed: what a refused form held.
        chosen: the scopes that are ticked in the form.
        new_key: the key that was just made, shown this once; empty: none.
        next_url: the next page, None on the last one.
    """

    template: ClassVar[str] = "keys.html"
    frame: Frame
    keys: Sequence[KeyLine]
    scopes: Mapping[str, str]
    typed: Mapping[str, str]
    chosen: Sequence[str]
    new_key: str
    next_url: str | None


@dataclass(frozen=True)
class AuditLine:
    """One change: `changes` are (field, before, after) as text."""

    id: int
    created_at: datetime
    actor: str
    action: str
    entity: str
    entity_id: int
    campaign_id: int | None
    request_id: str | None
    changes: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True)
class AuditContext(Context):
    """Who changed what, when.

    Attributes:
        frame: the layout's needs.
        events: newest first.
        typed: the filters as they were given.
        is_filtered: whether any is.
        older_url: the next page, None on the last one.
        export_urls: (format, address) of files with all that the filters let through.
    """

    template: ClassVar[str] = "audit.html"
    frame: Frame
    events: Sequence[AuditLine]
    typed: Mapping[str, str]
    is_filtered: bool
    older_url: str | None
    export_urls: Sequence[tuple[str, str]]
