"""REST: keys of tools, users, and what one may know and change about oneself."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Depends, Request, Response, status

from service.accounts import service
from service.accounts.schemas import (
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyRead,
    MeRead,
    PasswordChange,
    Rotation,
    SessionRead,
    UserCreate,
    UserRead,
    UserUpdate,
)
from service.database.models import ApiKey
from service.dependencies import PageDep, Principal, SessionDep, SettingsDep, requires
from service.errors import ConflictError
from service.pagination import Page, encode_cursor
from service.problems import responses
from service.routing import NounRouter
from service.vocabulary import Scope


def verify_again(request: Request) -> Iterator[None]:
    """After a change this process forgets whom it has verified; other processes need some seconds more."""
    yield
    if request.method != "GET":
        request.app.state.authenticator.forget()


def all_campaigns(principal: Principal) -> None:
    principal.require_all_campaigns()


# Dependencies end in the reverse order: this one after the session's commit.
_AGAIN = Depends(verify_again, scope="function")
_ADMINISTRATION = [Depends(all_campaigns), _AGAIN]
keys = NounRouter(prefix="/api-keys", tags=["accounts"], dependencies=_ADMINISTRATION)
users = NounRouter(prefix="/users", tags=["accounts"], dependencies=_ADMINISTRATION)
me = NounRouter(prefix="/me", tags=["accounts"], dependencies=[_AGAIN])


@keys.post("", status_code=status.HTTP_201_CREATED, responses=responses(422))
@requires(Scope.ADMIN)
def create_api_key(
    request: ApiKeyCreate,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
    response: Response,
) -> ApiKeyCreated:
    """A key for a tool. The answer holds it, this once."""
    secret_key = settings.secret_key.get_secret_value()
    made = service.create_key(session, request, actor=principal.name, secret_key=secret_key)
    return _created(made, response)


def _created(made: tuple[ApiKey, str], response: Response) -> ApiKeyCreated:
    key, token = made
    response.headers["Location"] = f"/api/v1/api-keys/{key.id}"
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyCreated(**ApiKeyRead.model_validate(key).model_dump(), key=token)


@keys.get("", responses=responses(400))
@requires(Scope.ADMIN)
def list_api_keys(session: SessionDep, page: PageDep) -> Page[ApiKeyRead]:
    """All keys, oldest first, revoked and expired ones included."""
    rows, more = service.keys_page(session, page)
    items = [ApiKeyRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@keys.get("/{key_id}", responses=responses(404))
@requires(Scope.ADMIN)
def read_api_key(key_id: int, session: SessionDep) -> ApiKeyRead:
    """One key, less the key itself: only a hash of it is kept."""
    return ApiKeyRead.model_validate(service.get_key(session, key_id))


@keys.post("/{key_id}:rotate", status_code=201, responses=responses(404, 409, 422))
@requires(Scope.ADMIN)
def rotate_api_key(
    key_id: int,
    session: SessionDep,
    principal: Principal,
    settings: SettingsDep,
    response: Response,
    request: Rotation | None = None,
) -> ApiKeyCreated:
    """A successor that may do the same; the old key works on for the overlap."""
    secret_key = settings.secret_key.get_secret_value()
    made = service.rotate_key(
        session, key_id, request or Rotation(), actor=principal.name, secret_key=secret_key
    )
    return _created(made, response)


@keys.post("/{key_id}:revoke", responses=responses(404))
@requires(Scope.ADMIN)
def revoke_api_key(key_id: int, session: SessionDep, principal: Principal) -> ApiKeyRead:
    """Refuse a key from now on; it is refused everywhere after some seconds."""
    return ApiKeyRead.model_validate(service.revoke_key(session, key_id, actor=principal.name))


@users.post("", status_code=status.HTTP_201_CREATED, responses=responses(409, 422))
@requires(Scope.ADMIN)
def create_user(
    request: UserCreate, session: SessionDep, principal: Principal, response: Response
) -> UserRead:
    """A person who signs in with a password."""
    user = service.create_user(session, request, actor=principal.name)
    response.headers["Location"] = f"/api/v1/users/{user.id}"
    return UserRead.model_validate(user)


@users.get("", responses=responses(400))
@requires(Scope.ADMIN)
def list_users(session: SessionDep, page: PageDep) -> Page[UserRead]:
    """All users, oldest first, deactivated ones included."""
    rows, more = service.users_page(session, page)
    items = [UserRead.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if more else None)


@users.get("/{user_id}", responses=responses(404))
@requires(Scope.ADMIN)
def read_user(user_id: int, session: SessionDep) -> UserRead:
    """One user."""
    return UserRead.model_validate(service.get_user(session, user_id))


@users.patch("/{user_id}", responses=responses(404, 409, 422))
@requires(Scope.ADMIN)
def update_user(user_id: int, request: UserUpdate, session: SessionDep, principal: Principal) -> UserRead:
    """Change role, campaigns or password, or deactivate; nobody is deleted, as histories name them."""
    return UserRead.model_validate(service.update_user(session, user_id, request, actor=principal.name))


@users.post("/{user_id}/sessions:end", status_code=204, responses=responses(404))
@requires(Scope.ADMIN)
def end_user_sessions(user_id: int, session: SessionDep, principal: Principal) -> None:
    """Sign a user out everywhere."""
    service.end_sessions(session, user_id, actor=principal.name)


@me.get("")
@requires(None)
def read_me(principal: Principal) -> MeRead:
    """Who the service takes you for, and what you may do."""
    scopes = [scope for scope in Scope if scope in principal.scopes]
    limit = None if principal.campaign_ids is None else sorted(principal.campaign_ids)
    return MeRead(name=principal.name, id=principal.id, scopes=scopes, campaign_ids=limit)


@me.post("/password", status_code=204, responses=responses(409, 422))
@requires(None)
def change_my_password(
    request: PasswordChange, http: Request, session: SessionDep, principal: Principal
) -> None:
    """Change your own password; your other sessions end."""
    session_id = http.state.authenticated.session_id
    service.change_own_password(session, _user_id(principal), request, session_id=session_id)


@me.get("/sessions", responses=responses(409))
@requires(None)
def list_my_sessions(session: SessionDep, principal: Principal) -> list[SessionRead]:
    """Browsers in which you are signed in, the newest first."""
    rows = service.open_sessions(session, _user_id(principal))
    return [SessionRead.model_validate(row) for row in rows]


@me.post("/sessions:end", status_code=204, responses=responses(409))
@requires(None)
def end_my_sessions(session: SessionDep, principal: Principal) -> None:
    """Sign out everywhere, here too."""
    service.end_sessions(session, _user_id(principal), actor=principal.name)


def _user_id(principal: Principal) -> int:
    kind, _, number = principal.id.partition(":")
    if kind != "user":
        message = f"{principal.name} is no user who signs in."
        raise ConflictError(message, hint="Sign in in a browser; keys have neither password nor sessions.")
    return int(number)
