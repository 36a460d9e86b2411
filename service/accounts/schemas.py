"""What keys, users and sessions look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from service.accounts.passwords import LONGEST
from service.campaigns.schemas import STORABLE, Strict
from service.moments import AwareMoment
from service.vocabulary import Role, Scope

LONGEST_OVERLAP_HOURS = 90 * 24.0
UserName = Annotated[
    str,
    StringConstraints(
        to_lower=True, strip_whitespace=True, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$"
    ),
    Field(description="Letters, digits and . _ @ + -; an e-mail address will do. Kept in lower case."),
]
KeyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), STORABLE]
Password = Annotated[SecretStr, Field(max_length=LONGEST)]
CampaignIds = Annotated[
    frozenset[Annotated[int, Field(ge=1, lt=2**63)]] | None,
    Field(min_length=1, max_length=1000, description="The only campaigns that exist for them; null: all."),
]


class ApiKeyCreate(Strict):
    """A key for one tool; `approve` commits money, `admin` manages users and keys."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "simulation farm", "scopes": ["read", "write"]}},
    )

    name: KeyName
    scopes: frozenset[Scope] = Field(min_length=1, description="None implies another.")
    campaign_ids: CampaignIds = None
    expires_at: AwareMoment | None = Field(None, description="Null: lives until it is revoked.")


class ApiKeyRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    public_id: str = Field(description="Stands in the key itself, between the underscores.")
    name: str
    scopes: list[Scope]
    campaign_ids: list[int] | None
    replaces_id: int | None = Field(description="The key whose successor this one is.")
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class ApiKeyCreated(ApiKeyRead):
    key: str = Field(description="The key; it is not shown again.")


class Rotation(Strict):
    """How long two keys work beside each other."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_hours": 24}})

    overlap_hours: float = Field(
        24.0, ge=0, le=LONGEST_OVERLAP_HOURS, description="So long the old key still works."
    )


class UserCreate(Strict):
    """A person with a password of their own."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"name": "a.meier", "role": "engineer", "password": "chalk otter sleeps twice"}
        },
    )

    name: UserName
    role: Role
    password: Password
    campaign_ids: CampaignIds = None


class UserUpdate(Strict):
    """What is given replaces what was; a changed role or limit holds at once, also in open sessions."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"role": "approver"}})

    role: Role | None = None
    password: Password | None = Field(None, description="Ends all sessions of the user.")
    campaign_ids: CampaignIds = Field(None, description="Null, when given: all campaigns.")
    is_active: bool | None = Field(None, description="False: cannot sign in; ends all sessions.")


class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    role: Role
    campaign_ids: list[int] | None
    is_active: bool
    has_password: bool = Field(description="Whether they can sign in with a password.")
    issuer: str | None = Field(
        description="The OIDC provider that they are linked to and can sign in at; null: none."
    )
    created_by: str
    created_at: datetime
    signed_in_at: datetime | None


class MeRead(BaseModel):
    """Who the service takes you for."""

    name: str
    id: str
    scopes: list[Scope]
    campaign_ids: list[int] | None = Field(description="Null: all.")


class PasswordChange(Strict):
    """A new password, shown to be wanted by the old one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"old_password": "chalk otter sleeps twice", "password": "nine quiet lamps of brass"}
        },
    )

    old_password: Password
    password: Password


class SessionRead(BaseModel):
    """A browser that is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    address: str
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
