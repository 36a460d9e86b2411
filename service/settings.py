"""One place for configuration: environment variables with the prefix `CRASHSCOUT_`, or a `.env` file."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.addresses import is_encrypted_or_near
from service.errors import InputError
from service.oidc_settings import OidcSettings
from service.secret_files import FileSource

# Placeholders that `.env.example` and copied recipes carry: never a secret.
PLACEHOLDERS = frozenset({"changeme", "change-me", "changethis", "secret", "password", ""})
SHORTEST_API_KEY = 24
# Celery would take any other text for the name of a RabbitMQ host.
_BROKER_SCHEMES = ("redis://", "rediss://", "redis+socket://", "sentinel://")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
# What the environment holds as JSON, with what it should look like.
_LIST = 'JSON list, for example ["127.0.0.1", "crashscout.example.com"]'
_OBJECT = 'JSON object, for example {"crash-engineers": "engineer"}'
_STRUCTURED = dict.fromkeys(
    ("allowed_hosts", "trusted_proxies", "webhook_allowed_networks", "oracle_commands", "oidc_endpoint_hosts",
     "oidc_email_domains"), _LIST,
) | dict.fromkeys(("oidc_roles", "oidc_required_claims"), _OBJECT)  # fmt: skip
_DATABASE_DRIVERS = frozenset({"postgresql", "postgresql+psycopg"})


# A hundred years: what is kept for longer than anybody counts.
LONGEST_DAYS = 36_500
# `NAME=` in a file of settings; an empty folder would be the working one. Not for all: an empty CRASHSCOUT_ENVIRONMENT
# is refused rather than taken for development.
_EMPTY_IS_NONE = BeforeValidator(lambda value: None if value == "" else value)


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(OidcSettings):
    """Every setting with its meaning; outside development a missing or placeholder secret is refused."""

    model_config = SettingsConfigDict(env_prefix="CRASHSCOUT_", env_file=".env", extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Files that the environment names stand beside it, before `.env`; they win over empty variables."""
        return init_settings, FileSource(settings_cls), env_settings, dotenv_settings, file_secret_settings

    environment: Environment = Environment.DEVELOPMENT
    database_url: str = Field("", description="SQLAlchemy URL of Postgres; empty: start an embedded one.")
    broker_url: str = Field("", description="Redis URL; empty: start an embedded one.")
    data_dir: Annotated[Path | None, _EMPTY_IS_NONE] = Field(
        None, description="Folder of the embedded engines."
    )
    files_dir: Annotated[Path | None, _EMPTY_IS_NONE] = Field(
        None,
        description="Folder of uploaded originals and downloads, the same for API and workers; "
        "empty: `files` in the data folder.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Keys the hashes of API keys and sessions; the same for every API process. Changing it ends all "
        "of them. Empty in development: `secret-key` in the data folder.",
    )
    api_key: SecretStr = Field(
        SecretStr(""), description="An admin key to begin with; empty: only the keys in the database."
    )
    session_idle_hours: float = Field(12, gt=0, le=24 * 30, description="A sign-in unused for so long ends.")
    session_hours: float = Field(24 * 7, gt=0, le=24 * 90, description="A sign-in ends then in any case.")
    allowed_hosts: list[str] = Field(
        ["127.0.0.1", "localhost"],
        min_length=1,
        description="Host names that requests may address, as a JSON list.",
    )
    device: str = Field("auto", description="auto, cpu or cuda: where the worker trains.")
    worker_threads: int = Field(
        1, ge=1, description="CPU threads of one worker; the networks are too small for more."
    )
    run_lease_s: int = Field(30, ge=3, description="A run without a sign of life for so long is retried.")
    run_attempts: int = Field(3, ge=1, description="How often a run is tried before it fails.")
    reads_per_minute: int = Field(30_000, ge=1, description="GET requests of one key or user.")
    writes_per_minute: int = Field(6_000, ge=1, description="Other requests of one key or user.")
    wrong_keys_per_minute: int = Field(
        1_000, ge=1, description="Requests without a valid key from one address."
    )
    body_timeout_s: float = Field(
        60.0, gt=0, description="Longest wait for a request's body; 16 KiB/s buy a second more each."
    )
    statement_timeout_s: int = Field(30, ge=1, description="Longest SQL statement of a web request.")
    trusted_proxies: list[str] = Field(
        [],
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed, as a JSON list; nobody else's are.",
    )
    max_body_mib: int = Field(64, ge=1, description="Largest request body.")
    max_upload_mib: int = Field(256, ge=1, description="Largest uploaded file.")
    max_bulk_rows: int = Field(100_000, ge=1, description="Most rows of one bulk request.")
    nhtsa_url: str = Field(
        "https://nrd.api.nhtsa.dot.gov/nhtsa/vehicle/api/v1", description="NHTSA vehicle crash test API."
    )
    nhtsa_file_host: str = Field("nrd-static.nhtsa.dot.gov", description="Host of NHTSA's files.")
    nhtsa_requests_per_s: float = Field(1.0, gt=0, le=20, description="Requests to NHTSA at most.")
    oracle_commands: list[Path] = Field(
        [],
        description="Executables that simulation sources may have workers run, as a JSON list of absolute paths, the "
        "same for API and workers. They get whatever arguments and input files a campaign names: list no shell "
        "and no interpreter.",
    )
    event_retention_days: int = Field(
        30, ge=1, le=LONGEST_DAYS, description="Events and ended webhook deliveries are deleted then."
    )
    run_log_retention_days: int = Field(
        30, ge=1, le=LONGEST_DAYS, description="Lines of the logs of runs are deleted then."
    )
    solver_file_retention_days: Annotated[int | None, _EMPTY_IS_NONE] = Field(
        None,
        ge=1,
        le=LONGEST_DAYS,
        description="Folders of solvers whose run has ended are deleted then; empty: never.",
    )
    artefact_retention_days: int = Field(
        90,
        ge=1,
        le=LONGEST_DAYS,
        description="Networks of surrogates that nothing refers to are deleted then.",
    )
    event_streams: int = Field(100, ge=1, description="Most event streams of one API process.")
    webhook_allowed_networks: list[str] = Field(
        [],
        description="Networks that are not public and that webhooks may call all the same, as a JSON list.",
    )
    webhook_attempts: int = Field(10, ge=1, le=30, description="How often a delivery is tried.")
    webhook_timeout_s: float = Field(10.0, gt=0, le=60, description="Longest exchange of one attempt.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Lines of the log; auto: text in a terminal, else JSON."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not _DEVICE.fullmatch(value):
            raise ValueError(f"{value!r} is no device: use auto, cpu, cuda or cuda:1")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        try:
            known = not value or make_url(value).drivername in _DATABASE_DRIVERS
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            known = False
        if not known:  # the value itself may hold a password: it is not repeated
            raise ValueError("expects an address like postgresql://user:password@host:5432/database")
        return value

    @field_validator("broker_url")
    @classmethod
    def _check_broker_url(cls, value: str) -> str:
        if value and not value.startswith(_BROKER_SCHEMES):
            raise ValueError("expects an address like redis://host:6379/0")
        return value

    @field_validator("webhook_allowed_networks", "trusted_proxies")
    @classmethod
    def _check_networks(cls, value: list[str]) -> list[str]:
        for name in value:
            try:
                ip_network(name)
            except ValueError as error:
                raise ValueError(f"{error}: expects networks like 10.0.0.0/8") from error
        return value

    @field_validator("oracle_commands")
    @classmethod
    def _check_commands(cls, value: list[Path]) -> list[Path]:
        for path in value:
            if not path.is_absolute():
                raise ValueError(f"{path} is no absolute path")
        return value

    @field_validator("nhtsa_url")
    @classmethod
    def _check_nhtsa_url(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("expects an address like https://host/path")
        return value

    @model_validator(mode="after")
    def _refuse_placeholders(self) -> Self:
        secret_key = self.secret_key.get_secret_value()
        for name, value in {"API_KEY": self.api_key.get_secret_value(), "SECRET_KEY": secret_key}.items():
            if value and (value.lower() in PLACEHOLDERS or len(value) < SHORTEST_API_KEY):
                message = f"CRASHSCOUT_{name} is a placeholder or shorter than {SHORTEST_API_KEY} characters"
                raise ValueError(message)
        if self.environment is Environment.PRODUCTION:
            needed = {
                "SECRET_KEY": secret_key,
                "DATABASE_URL": self.database_url,
                "BROKER_URL": self.broker_url,
            }
            missing = [f"CRASHSCOUT_{name}" for name, value in needed.items() if not value]
            if missing:
                message = f"set {', '.join(missing)}: production starts with no default for them"
                raise ValueError(message)
            for name, url in (("DATABASE_URL", self.database_url), ("BROKER_URL", self.broker_url)):
                password = _password_in(url)
                if password and password.lower() in PLACEHOLDERS:
                    raise ValueError(f"the password in CRASHSCOUT_{name} is a placeholder: set a secret one")
        return self

    @model_validator(mode="after")
    def _check_way_to_issuer(self) -> Self:
        development = self.environment is Environment.DEVELOPMENT
        if self.oidc_issuer and not is_encrypted_or_near(self.oidc_issuer, development=development):
            raise ValueError("CRASHSCOUT_OIDC_ISSUER must be https; http on loopback will do in development")
        if self.oidc_client_secret.get_secret_value().lower() in PLACEHOLDERS - {""}:
            raise ValueError("CRASHSCOUT_OIDC_CLIENT_SECRET is a placeholder: set the provider's")
        return self

    def secrets(self) -> list[str]:
        """What must stand in no log line."""
        keys = [key.get_secret_value() for key in (self.api_key, self.secret_key, self.oidc_client_secret)]
        return [*keys, *map(_password_in, (self.database_url, self.broker_url))]


def _password_in(url: str) -> str:
    return (make_url(url).password or "") if url else ""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()


def load_settings(*, engines: bool = False) -> Settings:
    """The settings, with a readable complaint about a bad one; `engines` demands both URLs.

    Raises:
        InputError: naming the variable.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        details = "; ".join(_complaint(item["loc"], item["msg"]) for item in error.errors())
        raise InputError(f"The configuration is wrong: {details}") from error
    except SettingsError as error:
        name = next((name for name in _STRUCTURED if f'"{name}"' in str(error)), "allowed_hosts")
        message = f"The configuration is wrong: CRASHSCOUT_{name.upper()} is no JSON."
        raise InputError(message, hint=f"Write it as a {_STRUCTURED[name]}.") from error
    if engines and not (settings.database_url and settings.broker_url):
        hint = "Set CRASHSCOUT_DATABASE_URL and CRASHSCOUT_BROKER_URL, or use `crashscout serve`."
        raise InputError("Database and broker are not named.", hint=hint)
    return settings


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    variable = f"CRASHSCOUT_{str(location[0]).upper()}: " if location else ""
    return variable + message.removeprefix("Value error, ")
