"""Settings of the login by an OpenID Connect provider; part of `service.settings.Settings`."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

# The roles of `service.vocabulary.Role`, which stands beside the settings and not below them.
RoleName = Literal["viewer", "engineer", "approver", "admin"]


class OidcSettings(BaseSettings):
    """Whom the provider knows, and what they may do here; without an issuer there is no such login."""

    password_login: bool = Field(default=True, description="False: users sign in by the OIDC provider alone.")
    oidc_issuer: str = Field("", description="Issuer of the OIDC provider, as it names itself; empty: none.")
    oidc_client_id: str = Field("", description="What the provider calls this service.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret; empty for a public client, which PKCE alone protects."
    )
    oidc_scopes: str = Field("openid profile email", description="What the provider is asked for.")
    oidc_endpoint_hosts: list[str] = Field(
        [],
        description="Hosts beside the issuer's own on which its endpoints may lie, as a JSON list. Google needs "
        '["oauth2.googleapis.com", "www.googleapis.com"].',
    )
    oidc_name_claim: str = Field("preferred_username", description="Claim that holds the user's name.")
    oidc_role_claim: str = Field(
        "groups", description="Claim that holds the user's groups, a text or a list; dots lead into objects."
    )
    oidc_roles: dict[str, RoleName] = Field(
        {},
        description="Roles by value of that claim, as a JSON object; of several the highest holds. Without one of "
        "them nobody comes in.",
    )
    oidc_required_claims: dict[str, str] = Field(
        {}, description='Claims that must have these values, as a JSON object: {"tid": "..."}.'
    )
    oidc_email_domains: list[str] = Field(
        [], description="Domains of verified e-mail addresses, as a JSON list; empty: none is asked for."
    )
    oidc_users: Literal["create", "link"] = Field(
        "create",
        description="create: who comes for the first time becomes a user; link: only who is a user of that name.",
    )
    oidc_label: str = Field(
        "Company account",
        min_length=1,
        max_length=60,
        description="What the button says after `Sign in with`.",
    )
    oidc_contact: str = Field(
        "an administrator of this service", min_length=1, description="Whom to ask for a role."
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (not parts.hostname or parts.query or parts.fragment or parts.username):
            raise ValueError("expects an address like https://login.example.com/realms/cars")
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _check_scopes(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("must hold openid: without it there is no id token")
        return value

    @field_validator("oidc_email_domains", "oidc_endpoint_hosts")
    @classmethod
    def _lower(cls, value: list[str]) -> list[str]:
        return [name.strip().lower().removeprefix("@") for name in value]

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if not self.oidc_issuer:
            if not self.password_login:
                raise ValueError("CRASHSCOUT_PASSWORD_LOGIN is off and no CRASHSCOUT_OIDC_ISSUER is set")
            return self
        missing = [name for name in ("oidc_client_id", "oidc_roles") if not getattr(self, name)]
        if missing:
            names = ", ".join(f"CRASHSCOUT_{name.upper()}" for name in missing)
            raise ValueError(f"set {names}: CRASHSCOUT_OIDC_ISSUER needs them")
        return self
