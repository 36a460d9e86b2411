"""`crashscout admin`: accounts by whoever may use the machine, on the database itself.

It needs no running service and no key: who can read the data folder, or knows the URL and the secret of a production
database, could write there anyway. With embedded engines it talks to those that run, or starts them for a moment.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from service.errors import ConflictError, InputError, UnavailableError
from service.vocabulary import Role, Scope

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Model = TypeVar("Model", bound=BaseModel)
ACTOR = "machine"
app = typer.Typer(help="Users and API keys, on the machine itself.", no_args_is_help=True)
key = typer.Typer(help="API keys of tools.", no_args_is_help=True)
app.add_typer(key, name="key")
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of `crashscout serve`, where CRASHSCOUT_DATABASE_URL is not set.")
]
Campaign = Annotated[
    list[int] | None, typer.Option(help="Id of a campaign to be limited to; may be given several times.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[Role, typer.Option()] = Role.ADMIN,
    campaign: Campaign = None,
    data_dir: DataDir = None,
) -> None:
    """Create a user, the first administrator for example; asks for the password, or reads it from standard input."""
    from service.accounts import service
    from service.accounts.schemas import UserCreate

    password = _password()
    with _database(data_dir) as (session, _):
        request = _checked(UserCreate, name=name, role=role, password=password, campaign_ids=_limit(campaign))
        user = service.create_user(session, request, actor=ACTOR)
    typer.echo(f"Created {user.role} {user.name}.")


@app.command()
def reset_password(
    name: Annotated[str, typer.Argument(help="Name of the user.")], data_dir: DataDir = None
) -> None:
    """Give a user a new password, end their sessions, and let them in again when they were locked out."""
    from service.accounts import service

    password = _password()
    with _database(data_dir) as (session, _):
        user = service.reset_password(session, name, password, actor=ACTOR)
    typer.echo(f"{user.name} has a new password; every session has ended.")


@key.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="read when none is given; several times.")] = None,
    campaign: Campaign = None,
    days: Annotated[float | None, typer.Option(min=0.01, max=3650, help="Days until it expires.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Create an API key and print it, this once."""
    from service.accounts import service
    from service.accounts.schemas import ApiKeyCreate

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _database(data_dir) as (session, secret_key):
        request = _checked(
            ApiKeyCreate,
            name=name,
            scopes=frozenset(scope or [Scope.READ]),
            campaign_ids=_limit(campaign),
            expires_at=expires_at,
        )
        _, token = service.create_key(session, request, actor=ACTOR, secret_key=secret_key)
    typer.echo(token)


def _limit(campaigns: list[int] | None) -> frozenset[int] | None:
    return frozenset(campaigns) if campaigns else None


def _password() -> str:
    """Typed twice at a terminal, else one line of standard input: never an argument, which everybody could see."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise InputError("The two passwords differ.", hint="Nothing was changed: try again.")
    return password


def _checked(model: type[Model], **values: object) -> Model:
    """A request as the API would take it; what does not fit is one line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


@contextmanager
def _database(data_dir: Path | None) -> Iterator[tuple[Session, str]]:
    """One transaction, and the secret that keys the hashes."""
    from service.accounts.bootstrap import one_transaction, secret_key_of
    from service.embedded import default_data_folder
    from service.settings import load_settings

    settings = load_settings()
    folder = (data_dir or settings.data_dir or default_data_folder()).expanduser().resolve()
    with ExitStack() as cleanup:
        url = settings.database_url or _embedded(folder, cleanup)
        _require_current(url)
        session = cleanup.enter_context(one_transaction(url))
        yield session, secret_key_of(settings, folder)


def _embedded(folder: Path, cleanup: ExitStack) -> str:
    """Where the embedded database of the folder listens; it is started for as long as `cleanup` lives, if need be."""
    from service.database.migrate import upgrade
    from service.embedded import EmbeddedEngines
    from service.embedded.engines import running_urls

    try:
        engines = cleanup.enter_context(EmbeddedEngines(folder))
    except ConflictError:  # `serve` runs
        return running_urls(folder)[0]
    upgrade(engines.database_url)
    return engines.database_url


def _require_current(database_url: str) -> None:
    from sqlalchemy.exc import OperationalError

    from service.database.engine import make_engine
    from service.database.revision import is_current

    engine = make_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            current = is_current(connection)
    except OperationalError as error:
        hint = "Start it, or correct CRASHSCOUT_DATABASE_URL."
        raise UnavailableError("The database does not answer.", hint=hint) from error
    finally:
        engine.dispose()
    if not current:
        raise UnavailableError(
            "The database is not at the newest migration.", hint="Run `crashscout migrate`."
        )
